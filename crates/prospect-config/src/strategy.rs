//! What happens when the context is full: a strategy of the catalogue with its parameters, a baseline, or a
//! custom strategy.

use prospect_context::PositionPolicy;
use prospect_context::catalogue::{
    ParameterKind, ParameterRole, ParameterValue, ParameterValues, StrategyDescription, find,
};
use prospect_context::strategies::BUILT_IN;

use crate::error::SettingsError;
use crate::keys::{Keys, parameter_key};
use crate::raw::{Field, Raw};

/// What happens when the context is full.
#[derive(Debug, Clone, PartialEq)]
pub enum ExceedContextHandling {
    /// A strategy of the catalogue.
    BuiltIn {
        /// The strategy.
        strategy: &'static StrategyDescription,
        /// The values of its parameters, checked.
        parameters: ParameterValues,
    },
    /// The stateless baseline: every frame starts from the system prompt.
    None,
    /// No strategy; an overflow ends the run.
    Unlimited,
    /// A custom strategy, which the runner finds by its name in its registry.
    Custom {
        /// The name under which it is registered.
        name: String,
        /// The values of its parameters, as written.
        params: toml::Table,
    },
}

/// A name in settings that is not in the catalogue.
const NONE: &str = "none";
const UNLIMITED: &str = "unlimited";
const CUSTOM: &str = "custom";

/// All valid values of `context.strategy`.
pub(crate) fn names(keys: &Keys) -> Vec<&'static str> {
    let catalogue = keys.catalogue().iter().map(|strategy| strategy.name);
    catalogue.chain([NONE, UNLIMITED, CUSTOM]).collect()
}

/// The number of tokens that a strategy keeps after an eviction.
pub(crate) struct Kept {
    /// The key of the parameter that sets it.
    pub(crate) key: String,
    /// The names of the parameters whose tokens are kept in addition.
    pub(crate) beside: Vec<&'static str>,
    /// The sum of all these tokens.
    pub(crate) tokens: usize,
}

impl Kept {
    /// The name for errors: the key, or all parameters of the sum.
    pub(crate) fn name(&self) -> String {
        let own = self.key.rsplit('.').next().unwrap_or_default();
        match self.beside.as_slice() {
            [] => self.key.clone(),
            beside => format!("{} + {own}", beside.join(" + ")),
        }
    }
}

/// The prompt with which a strategy asks for a summary, and the tokens that the summary needs in addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryPrompt<'a> {
    /// The key of the prompt.
    pub key: String,
    /// The prompt, as written.
    pub prompt: &'a str,
    /// The most tokens of the texts that are filled into the prompt, and of the answer.
    pub tokens: usize,
}

impl ExceedContextHandling {
    /// The name as written in settings (`custom` for every custom strategy).
    pub fn name(&self) -> &'static str {
        match self {
            Self::BuiltIn { strategy, .. } => strategy.name,
            Self::None => NONE,
            Self::Unlimited => UNLIMITED,
            Self::Custom { .. } => CUSTOM,
        }
    }

    /// Whether `name` is a strategy or a baseline that settings know.
    pub fn is_built_in(name: &str) -> bool {
        name == CUSTOM || Self::built_in().any(|known| known == name)
    }

    /// The names of the built-in strategies and baselines. Custom strategies are not among them.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|strategy| strategy.name).chain([NONE, UNLIMITED])
    }

    /// The positions of the kept tokens, if the strategy has this setting.
    pub fn positions(&self) -> Option<PositionPolicy> {
        let (strategy, parameters) = self.parts()?;
        let chosen =
            strategy.parameters.iter().find(|parameter| parameter.kind == ParameterKind::Positions)?;
        parameters.positions(chosen.name).ok()
    }

    /// The prompt with which the strategy asks for a summary, if it asks for one.
    pub fn summary_prompt(&self) -> Option<SummaryPrompt<'_>> {
        let (strategy, parameters) = self.parts()?;
        let asks = strategy.parameters_as(ParameterRole::SummaryPrompt).next()?;
        let ParameterValue::Text(prompt) = parameters.get(asks.name)? else { return None };
        let grows = self.tokens_as(ParameterRole::SummaryPromptGrowth);
        let tokens = self.tokens_as(ParameterRole::SummaryLength).saturating_add(grows);
        Some(SummaryPrompt { key: parameter_key(strategy, asks.name), prompt, tokens })
    }

    /// The number of tokens that are kept after an eviction.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let (strategy, _) = self.parts()?;
        let kept = strategy.parameters_as(ParameterRole::Kept).next()?;
        let beside = strategy.parameters_as(ParameterRole::KeptBeside).map(|parameter| parameter.name);
        let tokens = self.tokens_as(ParameterRole::Kept);
        let tokens = tokens.saturating_add(self.tokens_as(ParameterRole::KeptBeside));
        Some(Kept { key: parameter_key(strategy, kept.name), beside: beside.collect(), tokens })
    }

    /// The number of tokens that an eviction keeps in addition to those of the key of [`Self::kept`].
    pub(crate) fn kept_beside(&self) -> usize {
        self.tokens_as(ParameterRole::KeptBeside)
    }

    /// The most tokens of a summary, and the key that sets it.
    pub(crate) fn summary(&self) -> Option<(String, usize)> {
        let (strategy, _) = self.parts()?;
        let length = strategy.parameters_as(ParameterRole::SummaryLength).next()?;
        Some((parameter_key(strategy, length.name), self.tokens_as(ParameterRole::SummaryLength)))
    }

    fn parts(&self) -> Option<(&'static StrategyDescription, &ParameterValues)> {
        match self {
            Self::BuiltIn { strategy, parameters } => Some((strategy, parameters)),
            _ => None,
        }
    }

    /// The sum of the counts that have a role.
    fn tokens_as(&self, role: ParameterRole) -> usize {
        let Some((strategy, parameters)) = self.parts() else { return 0 };
        let counts =
            strategy.parameters_as(role).filter_map(|parameter| parameters.count(parameter.name).ok());
        counts.fold(0, usize::saturating_add)
    }
}

/// Reads the tables of all strategies, so that a mistake in the table of a strategy that is not chosen is
/// found at once.
pub(crate) fn validate(raw: &Raw, chosen: &str) -> Result<ExceedContextHandling, SettingsError> {
    let catalogue = raw.keys().catalogue();
    let mut of_chosen = ParameterValues::new();
    for strategy in catalogue {
        let parameters = parameters(raw, strategy)?;
        if strategy.name == chosen {
            of_chosen = parameters;
        }
    }
    let name = raw.find("context.custom.name").map(Field::filled_text).transpose()?;
    match (find(catalogue, chosen), chosen) {
        (Some(strategy), _) => Ok(ExceedContextHandling::BuiltIn { strategy, parameters: of_chosen }),
        (None, NONE) => Ok(ExceedContextHandling::None),
        (None, UNLIMITED) => Ok(ExceedContextHandling::Unlimited),
        (None, _) => {
            let name = name.ok_or_else(|| SettingsError::Missing {
                key: "context.custom.name".to_owned(),
                expected:
                    "context.strategy = \"custom\" needs it, expected the name of a registered strategy"
                        .to_owned(),
            })?;
            Ok(ExceedContextHandling::Custom { name, params: raw.free_table() })
        }
    }
}

/// The parameters of one strategy, from its table.
fn parameters(raw: &Raw, strategy: &StrategyDescription) -> Result<ParameterValues, SettingsError> {
    let mut values = ParameterValues::new();
    for parameter in strategy.parameters {
        let key = parameter_key(strategy, parameter.name);
        let field = if parameter.is_optional { raw.find(&key) } else { Some(raw.need(&key)?) };
        if let Some(field) = field {
            values = values.with(parameter.name, field.parameter(parameter.kind)?);
        }
    }
    Ok(values)
}
