//! What happens when the context is full: a strategy of the catalogue with its parameters, or what is none.

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
        /// Which one.
        strategy: &'static StrategyDescription,
        /// Its parameters, checked.
        parameters: ParameterValues,
    },
    /// The stateless baseline: every frame starts from the system prompt.
    None,
    /// No strategy; an overflow ends the run.
    Unlimited,
    /// A strategy from outside, found by name in the runner's registry.
    Custom {
        /// Its registered name.
        name: String,
        /// Its parameters, as written.
        params: toml::Table,
    },
}

/// What stands in settings beside the names of the catalogue.
const NONE: &str = "none";
const UNLIMITED: &str = "unlimited";
const CUSTOM: &str = "custom";

/// Every name that `context.strategy` may have.
pub(crate) fn names(keys: &Keys) -> Vec<&'static str> {
    let catalogue = keys.catalogue().iter().map(|strategy| strategy.name);
    catalogue.chain([NONE, UNLIMITED, CUSTOM]).collect()
}

/// Tokens that a strategy keeps after an eviction by count.
pub(crate) struct Kept {
    /// The key that says so.
    pub(crate) key: String,
    /// The names of the parameters whose tokens stay beside them.
    pub(crate) beside: Vec<&'static str>,
    /// All of these tokens.
    pub(crate) tokens: usize,
}

impl Kept {
    /// The key, or all parameters that add up.
    pub(crate) fn name(&self) -> String {
        let own = self.key.rsplit('.').next().unwrap_or_default();
        match self.beside.as_slice() {
            [] => self.key.clone(),
            beside => format!("{} + {own}", beside.join(" + ")),
        }
    }
}

/// The question by which a strategy has a summary written, and what is needed beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryPrompt<'a> {
    /// The key that holds it.
    pub key: String,
    /// The question, as written.
    pub prompt: &'a str,
    /// Most tokens of what is filled into the question, and of the answer.
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

    /// Whether `name` is one that settings know.
    pub fn is_built_in(name: &str) -> bool {
        name == CUSTOM || Self::built_in().any(|known| known == name)
    }

    /// The names of the built-in ones; someone else's have names of their own.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|strategy| strategy.name).chain([NONE, UNLIMITED])
    }

    /// Positions of what is kept, where it is a setting.
    pub fn positions(&self) -> Option<PositionPolicy> {
        let (strategy, parameters) = self.parts()?;
        let chosen =
            strategy.parameters.iter().find(|parameter| parameter.kind == ParameterKind::Positions)?;
        parameters.positions(chosen.name).ok()
    }

    /// The question by which a summary is asked for, of a strategy that has one written.
    pub fn summary_prompt(&self) -> Option<SummaryPrompt<'_>> {
        let (strategy, parameters) = self.parts()?;
        let asks = strategy.parameters_as(ParameterRole::SummaryPrompt).next()?;
        let ParameterValue::Text(prompt) = parameters.get(asks.name)? else { return None };
        let grows = self.tokens_as(ParameterRole::SummaryPromptGrowth);
        let tokens = self.tokens_as(ParameterRole::SummaryLength).saturating_add(grows);
        Some(SummaryPrompt { key: parameter_key(strategy, asks.name), prompt, tokens })
    }

    /// Tokens kept after an eviction by count.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let (strategy, _) = self.parts()?;
        let kept = strategy.parameters_as(ParameterRole::Kept).next()?;
        let beside = strategy.parameters_as(ParameterRole::KeptBeside).map(|parameter| parameter.name);
        let tokens = self.tokens_as(ParameterRole::Kept);
        let tokens = tokens.saturating_add(self.tokens_as(ParameterRole::KeptBeside));
        Some(Kept { key: parameter_key(strategy, kept.name), beside: beside.collect(), tokens })
    }

    /// Tokens that an eviction keeps beside those of [`Self::kept`]'s own key.
    pub(crate) fn kept_beside(&self) -> usize {
        self.tokens_as(ParameterRole::KeptBeside)
    }

    /// Most tokens of a summary, and the key that says so.
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

/// Reads the tables of all strategies, so that a mistake in one that is not chosen does not hide until it is.
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
