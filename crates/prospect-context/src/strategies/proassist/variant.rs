//! A built-in strategy as ProAssist has it.

use crate::catalogue::{ParameterError, ParameterValues, StrategyDescription};
use crate::plan::PositionPolicy;
use crate::strategy::ContextStrategy;

/// ProAssist's strategy of a built-in one's name. It takes some of that one's parameters; of the others some have one valid value,
/// and the rest mean nothing.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// The strategy, with the parameters that it takes.
    pub strategy: StrategyDescription,
    /// What is a choice of the built-in one, and none here.
    pub fixed: &'static [Fixed],
}

/// A parameter of a built-in strategy that has one valid value under ProAssist's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// One position policy alone.
    Positions {
        /// The parameter's name.
        parameter: &'static str,
        /// The policy.
        only: PositionPolicy,
    },
    /// No value.
    Unset {
        /// The parameter's name.
        parameter: &'static str,
        /// Why, as a clause behind "ProAssist's rules".
        because: &'static str,
    },
}

impl Variant {
    /// ProAssist's strategy, from the values of the built-in one.
    ///
    /// # Errors
    /// A value that is missing, of another kind or out of range.
    pub fn build(&self, values: &ParameterValues) -> Result<Box<dyn ContextStrategy>, ParameterError> {
        self.strategy.build(&values.clone().only(|name| self.strategy.parameter(name).is_some()))
    }
}
