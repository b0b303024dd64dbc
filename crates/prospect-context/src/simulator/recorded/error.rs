//! How a trace can be malformed.

/// Why a trace is no stream.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The first frame, or the end, came before the budget.
    #[error("no budget before the first frame: expected a `budget` event")]
    NoBudget,
    /// The budget was told twice.
    #[error("a second budget: expected one `budget` event")]
    SecondBudget,
    /// A frame event without a frame.
    #[error("frame {index} has no segment of kind frame: expected one")]
    NoFrame {
        /// Number of the frame.
        index: usize,
    },
    /// A frame that came before the one before it.
    #[error("frame {index} is at second {time}, before {previous}: expected times that do not fall")]
    TimeFalls {
        /// Number of the frame.
        index: usize,
        /// Its stream time in seconds.
        time: f64,
        /// That of the frame before it.
        previous: f64,
    },
    /// Segments that do not add up.
    #[error("the cache has {found} tokens after frame {index}: its segments add up to {expected}")]
    CacheTokens {
        /// Number of the frame.
        index: usize,
        /// What the segments add up to.
        expected: usize,
        /// What the event says.
        found: usize,
    },
    /// An overflow of another cache.
    #[error("the overflow at second {time} found {found} tokens in the cache: expected {expected}")]
    TokensBefore {
        /// Stream time in seconds.
        time: f64,
        /// What the events before it left.
        expected: usize,
        /// What the event says.
        found: usize,
    },
    /// What survived does not add up.
    #[error(
        "the overflow at second {time} left {found} tokens: what it kept and put back adds up to {expected}"
    )]
    TokensAfter {
        /// Stream time in seconds.
        time: f64,
        /// What it kept and put back.
        expected: usize,
        /// What the event says.
        found: usize,
    },
    /// A kept range that is empty, out of bounds or out of order.
    #[error(
        "the overflow at second {time} kept {start}..{end}: expected sorted, disjoint ranges within the cache"
    )]
    KeptRange {
        /// Stream time in seconds.
        time: f64,
        /// First slot.
        start: usize,
        /// One past the last slot.
        end: usize,
    },
    /// Two overflows between two frames.
    #[error("a second overflow at second {time}: expected at most one between two frames")]
    SecondOverflow {
        /// Stream time in seconds.
        time: f64,
    },
    /// An overflow that expected other tokens than those that came.
    #[error(
        "the overflow at second {time} expected {found} more tokens: the frame after it brought {expected}"
    )]
    Incoming {
        /// Stream time in seconds.
        time: f64,
        /// What came in, with the pending tokens.
        expected: usize,
        /// What the event says.
        found: usize,
    },
    /// What an eviction after a frame put back did not go in with the next frame.
    #[error("frame {index} lacks what the overflow before it put back: expected it among its segments")]
    PutBackMissing {
        /// Number of the frame.
        index: usize,
    },
}
