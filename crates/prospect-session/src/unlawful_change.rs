//! The reason why a strategy cannot replace another one while the stream goes on.

use prospect_context::PositionPolicy;

/// The reason why a strategy cannot replace another one while the stream goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnlawfulChange {
    /// One of the two is a baseline, which has no strategy and whose cache has another content.
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
    /// The new strategy evicts at another moment of a frame.
    #[error("it follows other rules (context.rules): expected the same")]
    Rules,
    /// The new strategy's summary does not fit.
    #[error(
        "a summary of {summary} tokens does not fit beside {beside} tokens of opening and frame: expected one within context.max_seq_len"
    )]
    NoRoom {
        /// The tokens of the largest summary.
        summary: usize,
        /// The tokens that are in the cache beside it in any case.
        beside: usize,
    },
}
