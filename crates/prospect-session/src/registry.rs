//! Finds the strategy that the settings name: a built-in one, or a custom one that a program registered.

mod parameters;

use std::collections::BTreeMap;

pub use parameters::Parameters;

use prospect_config::{ContextRules, ContextSettings, ExceedContextHandling};
use prospect_context::ContextStrategy;
use prospect_context::catalogue::{ParameterError, ParameterValues, StrategyDescription};
use prospect_context::strategies::proassist::VARIANTS;

use crate::options::OverflowRule;

/// The name of the strategy that replays the references. If its score is not perfect, the fault is in the
/// evaluation or in the annotations.
pub const SANITY: &str = "sanity";

/// Builds a strategy from its parameters. The error says in one line what is wrong with them.
pub type StrategyBuilder = dyn Fn(&Parameters<'_>) -> Result<Box<dyn ContextStrategy>, String> + Send + Sync;

/// The reason why a strategy cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A custom strategy has the name of a built-in one.
    #[error("the strategy {name}: has the name of a built-in one: expected another")]
    Taken {
        /// The name that was given.
        name: String,
    },
    /// The program does not know the strategy.
    #[error("context.custom.name = {name:?}: expected a strategy that this program registers: {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names that the program knows.
        known: String,
    },
    /// A custom strategy refuses its parameters.
    #[error("context.custom.params of {name}: {problem}")]
    Parameters {
        /// The name of the strategy.
        name: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A built-in strategy refuses its parameters. This cannot happen with settings that were checked.
    #[error("context.{name}: {problem}")]
    BuiltIn {
        /// The name of the strategy.
        name: String,
        /// What is wrong, and what was expected.
        problem: ParameterError,
    },
    /// ProAssist does not have the built-in strategy. This cannot happen with settings that were checked.
    #[error("context.strategy = {name:?}: expected one of context.rules = \"proassist\"")]
    NoVariant {
        /// The name of the strategy.
        name: String,
    },
}

/// The custom strategies, by name.
#[derive(Default)]
pub struct Registry {
    builders: BTreeMap<String, Box<StrategyBuilder>>,
}

impl Registry {
    /// Adds a custom strategy. It replaces an earlier one with the same name.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] for the name of a built-in strategy, because the name would be ambiguous.
    pub fn register(&mut self, name: &str, builder: Box<StrategyBuilder>) -> Result<(), RegistryError> {
        if name == SANITY || ExceedContextHandling::is_built_in(name) {
            return Err(RegistryError::Taken { name: name.to_owned() });
        }
        self.builders.insert(name.to_owned(), builder);
        Ok(())
    }

    /// Whether `name` is registered.
    pub fn has(&self, name: &str) -> bool {
        self.builders.contains_key(name)
    }

    /// The rule for overflows that the settings name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], or [`RegistryError::Parameters`] of a custom strategy.
    pub fn overflow_rule(&self, settings: &ContextSettings) -> Result<OverflowRule, RegistryError> {
        let strategy = match (&settings.strategy, settings.rules) {
            (ExceedContextHandling::None, _) => return Ok(OverflowRule::Stateless),
            (ExceedContextHandling::Unlimited, _) => return Ok(OverflowRule::Unlimited),
            (ExceedContextHandling::Custom { name, params }, _) => self.build(name, params)?,
            (ExceedContextHandling::BuiltIn { strategy, parameters }, rules) => {
                built_in(strategy, parameters, rules)?
            }
        };
        Ok(OverflowRule::Strategy(strategy))
    }

    fn build(&self, name: &str, params: &toml::Table) -> Result<Box<dyn ContextStrategy>, RegistryError> {
        let known = || match self.builders.is_empty() {
            true => "none".to_owned(),
            false => self.builders.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let unknown = || RegistryError::Unknown { name: name.to_owned(), known: known() };
        let builder = self.builders.get(name).ok_or_else(unknown)?;
        let own = parameters_of(name, params);
        let parameters = Parameters::new(&own);
        let built = builder(&parameters).and_then(|strategy| parameters.check_all_read().map(|()| strategy));
        built.map_err(|problem| RegistryError::Parameters { name: name.to_owned(), problem })
    }
}

/// The parameters of one strategy: those under its name (`context.custom.params.<name>.<key>`), so that
/// several strategies of one comparison can have different parameters. If there are none under its name, all
/// parameters that are under no name.
fn parameters_of(name: &str, params: &toml::Table) -> toml::Table {
    let mut own = params.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    for (key, value) in params {
        if let Some((_, key)) = key.split_once('.').filter(|(of, _)| *of == name) {
            own.insert(key.to_owned(), value.clone());
        }
    }
    if own.is_empty() {
        let unnamed = params.iter().filter(|(key, value)| !key.contains('.') && !value.is_table());
        own.extend(unnamed.map(|(key, value)| (key.clone(), value.clone())));
    }
    own
}

/// Builds a built-in strategy, or ProAssist's strategy of the same name under ProAssist's rules.
fn built_in(
    strategy: &StrategyDescription,
    values: &ParameterValues,
    rules: ContextRules,
) -> Result<Box<dyn ContextStrategy>, RegistryError> {
    let name = || strategy.name.to_owned();
    let built = match rules {
        ContextRules::Prospect => strategy.build(values),
        ContextRules::ProAssist => {
            let mut variants = VARIANTS.iter();
            let variant = variants.find(|variant| variant.strategy.name == strategy.name);
            variant.ok_or_else(|| RegistryError::NoVariant { name: name() })?.build(values)
        }
    };
    built.map_err(|problem| RegistryError::BuiltIn { name: name(), problem })
}

#[cfg(test)]
mod tests {
    use prospect_config::Layers;
    use prospect_context::PositionPolicy;
    use prospect_context::strategies::{DropAll, DropMiddle};

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        for name in ["a", "b"] {
            let build = |parameters: &Parameters<'_>| {
                let last_keep_len = parameters.count("keep", 7)?;
                let positions = PositionPolicy::Rerotate;
                Ok(Box::new(DropMiddle { last_keep_len, positions }) as Box<dyn ContextStrategy>)
            };
            registry.register(name, Box::new(build)).unwrap();
        }
        registry
    }

    fn build(name: &str, sets: &[&str]) -> Result<(), String> {
        let named = [format!("context.custom.name={name}"), "context.strategy=custom".to_owned()];
        let all = named.iter().map(String::as_str).chain(sets.iter().copied());
        let layers = all.fold(Layers::new(), |layers, set| layers.set(set).unwrap());
        let settings = layers.resolve().unwrap();
        registry().overflow_rule(&settings.context).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn strategies_have_parameters_of_their_own_or_share_those_without_a_name() {
        assert_eq!(build("a", &["context.custom.params.keep=3"]), Ok(()));
        assert_eq!(
            build("a", &["context.custom.params.a.keep=3", "context.custom.params.b.other=1"]),
            Ok(())
        );
        let wrong = build("b", &["context.custom.params.a.keep=3", "context.custom.params.b.other=1"]);
        assert!(wrong.unwrap_err().contains("context.custom.params of b: other: no such parameter"));
        assert!(
            build("a", &["context.custom.params.keep=no"]).unwrap_err().contains("keep = \"no\": expected")
        );
        assert!(build("c", &[]).unwrap_err().contains("that this program registers: a, b"));
    }

    #[test]
    fn a_built_in_name_is_taken() {
        for name in ["drop_all", "custom", "none", "sanity"] {
            let taken = registry().register(name, Box::new(|_| Ok(Box::new(DropAll)))).unwrap_err();
            assert!(taken.to_string().contains("built-in"), "{taken}");
        }
    }
}
