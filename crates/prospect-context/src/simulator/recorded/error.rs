//! The faults that a trace can have.

/// The reason why a trace is not the trace of a stream.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The first frame, or the end of the trace, came before the budget.
    #[error("no budget before the first frame: expected a `budget` event")]
    NoBudget,
    /// The trace has two budgets.
    #[error("a second budget: expected one `budget` event")]
    SecondBudget,
    /// A frame event has no segment of a frame.
    #[error("frame {index} has no segment of kind frame: expected one")]
    NoFrame {
        /// The number of the frame.
        index: usize,
    },
    /// The time of a frame is earlier than that of the frame before it.
    #[error("frame {index} is at second {time}, before {previous}: expected times that do not fall")]
    TimeFalls {
        /// The number of the frame.
        index: usize,
        /// The stream time of the frame in seconds.
        time: f64,
        /// The stream time of the frame before it, in seconds.
        previous: f64,
    },
    /// The segments do not add up to the length of the cache.
    #[error("the cache has {found} tokens after frame {index}: its segments add up to {expected}")]
    CacheTokens {
        /// The number of the frame.
        index: usize,
        /// The sum of the segments in tokens.
        expected: usize,
        /// The number of tokens in the event.
        found: usize,
    },
    /// The length of the cache before an overflow is not the one that the earlier events give.
    #[error("the overflow at second {time} found {found} tokens in the cache: expected {expected}")]
    TokensBefore {
        /// Stream time in seconds.
        time: f64,
        /// The number of tokens after the earlier events.
        expected: usize,
        /// The number of tokens in the event.
        found: usize,
    },
    /// The kept tokens and those put back do not add up to the length of the cache.
    #[error(
        "the overflow at second {time} left {found} tokens: what it kept and put back adds up to {expected}"
    )]
    TokensAfter {
        /// Stream time in seconds.
        time: f64,
        /// The number of tokens kept and put back.
        expected: usize,
        /// The number of tokens in the event.
        found: usize,
    },
    /// A kept range is empty, out of bounds or out of order.
    #[error(
        "the overflow at second {time} kept {start}..{end}: expected sorted, disjoint ranges within the cache"
    )]
    KeptRange {
        /// Stream time in seconds.
        time: f64,
        /// The first slot of the range.
        start: usize,
        /// The slot after the last one.
        end: usize,
    },
    /// There are two overflows between two frames.
    #[error("a second overflow at second {time}: expected at most one between two frames")]
    SecondOverflow {
        /// Stream time in seconds.
        time: f64,
    },
    /// The frame after an overflow brought another number of tokens than the overflow says.
    #[error(
        "the overflow at second {time} expected {found} more tokens: the frame after it brought {expected}"
    )]
    Incoming {
        /// Stream time in seconds.
        time: f64,
        /// The number of tokens that came in, including the pending ones.
        expected: usize,
        /// The number of tokens in the event.
        found: usize,
    },
    /// A text that an eviction after a frame put back did not go in with the next frame.
    #[error("frame {index} lacks what the overflow before it put back: expected it among its segments")]
    PutBackMissing {
        /// The number of the frame.
        index: usize,
    },
}
