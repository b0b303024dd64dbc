//! ProAssist's variant of a built-in strategy.

use crate::catalogue::{ParameterError, ParameterValues, StrategyDescription};
use crate::plan::PositionPolicy;
use crate::strategy::ContextStrategy;

/// ProAssist's strategy with the name of a built-in strategy. It takes some of the parameters of the built-in
/// strategy. Of the others, some have only one valid value, and the rest are ignored.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// The strategy, with the parameters that it takes.
    pub strategy: StrategyDescription,
    /// The parameters that can be chosen in the built-in strategy and are fixed here.
    pub fixed: &'static [Fixed],
}

/// A parameter of a built-in strategy that has one valid value under ProAssist's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// Only one position policy is valid.
    Positions {
        /// The name of the parameter.
        parameter: &'static str,
        /// The valid policy.
        only: PositionPolicy,
    },
    /// The parameter must not be set.
    Unset {
        /// The name of the parameter.
        parameter: &'static str,
        /// The reason, as a clause that follows "ProAssist's rules".
        because: &'static str,
    },
}

impl Variant {
    /// Builds ProAssist's strategy from the values for the built-in strategy.
    ///
    /// # Errors
    /// A value is missing, of another kind or out of range.
    pub fn build(&self, values: &ParameterValues) -> Result<Box<dyn ContextStrategy>, ParameterError> {
        self.strategy.build(&values.clone().only(|name| self.strategy.parameter(name).is_some()))
    }
}
