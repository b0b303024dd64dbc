//! Why another strategy cannot take over a stream that has begun.

use prospect_context::PositionPolicy;

/// Why another strategy cannot take over a stream that has begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnlawfulChange {
    /// A baseline takes part: it has no strategy, and its cache holds something else.
    #[error("expected a strategy before and after, not a baseline")]
    Baseline,
    /// The cache was built for another position policy.
    #[error("its positions are {to:?}, the cache was built for {from:?}: expected the same")]
    Positions {
        /// The policy that the cache was built for.
        from: PositionPolicy,
        /// The policy of the new strategy.
        to: PositionPolicy,
    },
    /// The new strategy evicts at another point of a frame's turn.
    #[error("it follows other rules (context.rules): expected the same")]
    Rules,
    /// The new strategy's summary does not fit.
    #[error(
        "a summary of {summary} tokens does not fit beside {beside} tokens of opening and frame: expected one within context.max_seq_len"
    )]
    NoRoom {
        /// Tokens of the largest summary.
        summary: usize,
        /// Tokens that stand beside it in any case.
        beside: usize,
    },
}
