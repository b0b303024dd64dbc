//! The values of a strategy's parameters, by name.

use std::collections::BTreeMap;
use std::fmt;

use crate::plan::PositionPolicy;

/// The value of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A number of tokens, or of anything else.
    Count(usize),
    /// A share of a whole.
    Share(f64),
    /// A text, or a prompt.
    Text(String),
    /// A position policy.
    Positions(PositionPolicy),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Positions(positions) => write!(f, "{:?}", positions.as_str()),
        }
    }
}

impl From<usize> for ParameterValue {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for ParameterValue {
    fn from(share: f64) -> Self {
        Self::Share(share)
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ParameterValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<PositionPolicy> for ParameterValue {
    fn from(positions: PositionPolicy) -> Self {
        Self::Positions(positions)
    }
}

/// The reason why a strategy cannot be built from these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A required parameter has no value.
    #[error("{parameter} is missing: expected {expected}")]
    Missing {
        /// The name of the parameter.
        parameter: String,
        /// The valid values, in words.
        expected: String,
    },
    /// A value is of another kind, or out of range.
    #[error("{parameter} = {value}: expected {expected}")]
    Refused {
        /// The name of the parameter.
        parameter: String,
        /// The value, as settings write it.
        value: String,
        /// The valid values, in words.
        expected: String,
    },
    /// The strategy has no parameter with this name.
    #[error("{parameter}: no such parameter: expected {known}")]
    Unknown {
        /// The name that was given.
        parameter: String,
        /// The names of the strategy's parameters.
        known: String,
    },
}

/// The values of a strategy's parameters, by name. A parameter that is not set has no value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParameterValues {
    values: BTreeMap<String, ParameterValue>,
}

impl ParameterValues {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// These values and one more. It replaces an earlier value with the same name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<ParameterValue>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The values for whose names `stays` is true.
    #[must_use]
    pub fn only(mut self, stays: impl Fn(&str) -> bool) -> Self {
        self.values.retain(|name, _| stays(name));
        self
    }

    /// The value with this name.
    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.values.get(name)
    }

    /// Every value with its name, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParameterValue)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The count with this name.
    ///
    /// # Errors
    /// There is no value with this name, or it is of another kind.
    pub fn count(&self, name: &str) -> Result<usize, ParameterError> {
        let count = |value: &ParameterValue| match value {
            ParameterValue::Count(count) => Some(*count),
            _ => None,
        };
        self.need(name, count, "a whole number")
    }

    /// The share with this name; `None` if it is not set.
    ///
    /// # Errors
    /// The value is of another kind.
    pub fn optional_share(&self, name: &str) -> Result<Option<f64>, ParameterError> {
        let share = |value: &ParameterValue| match value {
            ParameterValue::Share(share) => Some(*share),
            _ => None,
        };
        self.get(name).map(|_| self.need(name, share, "a share")).transpose()
    }

    /// The text or prompt with this name.
    ///
    /// # Errors
    /// There is no value with this name, or it is of another kind.
    pub fn text(&self, name: &str) -> Result<String, ParameterError> {
        let text = |value: &ParameterValue| match value {
            ParameterValue::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.need(name, text, "a string")
    }

    /// The position policy with this name.
    ///
    /// # Errors
    /// There is no value with this name, or it is of another kind.
    pub fn positions(&self, name: &str) -> Result<PositionPolicy, ParameterError> {
        let positions = |value: &ParameterValue| match value {
            ParameterValue::Positions(positions) => Some(*positions),
            _ => None,
        };
        self.need(name, positions, "a position policy")
    }

    fn need<T>(
        &self,
        name: &str,
        read: impl Fn(&ParameterValue) -> Option<T>,
        expected: &str,
    ) -> Result<T, ParameterError> {
        let (parameter, expected) = (name.to_owned(), expected.to_owned());
        let Some(value) = self.get(name) else { return Err(ParameterError::Missing { parameter, expected }) };
        read(value).ok_or_else(|| ParameterError::Refused { parameter, value: value.to_string(), expected })
    }
}
