//! The description of a strategy in the catalogue.

use super::parameter::{Parameter, ParameterKind, ParameterRole};
use super::values::{ParameterError, ParameterValue, ParameterValues};
use crate::plan::PositionPolicy;
use crate::strategy::ContextStrategy;

/// Builds a strategy from values that its description has checked.
pub type Make = fn(&ParameterValues) -> Result<Box<dyn ContextStrategy>, ParameterError>;

/// What is known about a strategy before it is built.
#[derive(Debug, Clone, Copy)]
pub struct StrategyDescription {
    /// The name of the strategy in settings, traces and tables.
    pub name: &'static str,
    /// What the strategy does, in one line without a subject: it is printed behind the name.
    pub purpose: &'static str,
    /// The parameters, in the order in which settings are printed.
    pub parameters: &'static [Parameter],
    /// Builds the strategy. Call [`Self::build`], which checks the values first.
    pub make: Make,
}

/// Two descriptions are equal if their names and parameters are equal. The functions that build the
/// strategies cannot be compared.
impl PartialEq for StrategyDescription {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.parameters) == (other.name, other.parameters)
    }
}

impl StrategyDescription {
    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The parameters with this role, in their order.
    pub fn parameters_as(&self, role: ParameterRole) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.role == Some(role))
    }

    /// Builds the strategy with these values.
    ///
    /// # Errors
    /// A value is missing, unknown, of another kind or out of range.
    pub fn build(&self, values: &ParameterValues) -> Result<Box<dyn ContextStrategy>, ParameterError> {
        for parameter in self.parameters {
            let (name, kind) = (parameter.name.to_owned(), parameter.kind);
            match values.get(parameter.name) {
                None if parameter.is_optional => {}
                None => return Err(ParameterError::Missing { parameter: name, expected: kind.expected() }),
                Some(value) => {
                    if let Some(expected) = kind.complaint(value) {
                        let value = value.to_string();
                        return Err(ParameterError::Refused { parameter: name, value, expected });
                    }
                }
            }
        }
        if let Some((name, _)) = values.iter().find(|(name, _)| self.parameter(name).is_none()) {
            let known: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name).collect();
            let known = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
            return Err(ParameterError::Unknown { parameter: name.to_owned(), known });
        }
        (self.make)(values)
    }

    /// Example values, with which strategies can be compared: the strategy keeps about `kept` tokens and asks
    /// for a summary of at most `summary` tokens.
    pub fn example(&self, kept: usize, summary: usize) -> ParameterValues {
        let needed = self.parameters.iter().filter(|parameter| !parameter.is_optional);
        needed.fold(ParameterValues::new(), |values, parameter| {
            let value: ParameterValue = match (parameter.kind, parameter.role) {
                (ParameterKind::Count { least }, role) => {
                    let count = match role {
                        Some(ParameterRole::Kept | ParameterRole::Evicted) => kept,
                        Some(ParameterRole::PartOfKept) => kept / 3,
                        Some(ParameterRole::SummaryLength) => summary,
                        Some(ParameterRole::SummaryPromptGrowth) => summary.saturating_mul(2),
                        _ => 4,
                    };
                    count.max(least).into()
                }
                (ParameterKind::Share, _) => 0.8.into(),
                (ParameterKind::Text, _) => "sum up".into(),
                (ParameterKind::Prompt { placeholders: [first, .., last] }, _) => {
                    format!("{{{first}}}, {{{last}}}?").into()
                }
                (ParameterKind::Prompt { placeholders }, _) => {
                    placeholders.first().map_or("sum up".to_owned(), |only| format!("{{{only}}}?")).into()
                }
                (ParameterKind::Positions, _) => PositionPolicy::default().into(),
            };
            values.with(parameter.name, value)
        })
    }
}

/// The description with this name.
pub fn find<'a>(catalogue: &'a [StrategyDescription], name: &str) -> Option<&'a StrategyDescription> {
    catalogue.iter().find(|strategy| strategy.name == name)
}
