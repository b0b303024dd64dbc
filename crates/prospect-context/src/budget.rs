//! The budget of the cache, and the conditions of an overflow.

/// The tokens that the cache may hold, and the tokens that have to stay free in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most tokens that the cache may ever hold.
    pub max_seq_len: usize,
    /// The tokens that have to be free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// The tokens of the longest reply, including the prompt that asks for it.
    pub max_reply_tokens: usize,
    /// The tokens of the largest summary, prompt and answer; 0 if the strategy does not summarise.
    pub max_summary_tokens: usize,
}

/// The reason why the cache has to be reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum OverflowTrigger {
    /// The next chunk, the longest reply and the largest summary do not all fit.
    NoRoom,
    /// The cache has grown into its reserve.
    Reserved,
}

impl OverflowTrigger {
    /// The name in a trace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom => "no_room",
            Self::Reserved => "reserved",
        }
    }
}

/// The moment at which a run checks for an overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    #[default]
    /// Before a chunk goes in. The cache never grows past its bound.
    BeforeChunk,
    /// After each frame and its reply, by the reserve alone, as ProAssist does.
    AfterFrame,
}

impl Budget {
    /// Whether a cache of `cache_tokens` has to be reduced before `incoming` more tokens go in.
    pub fn overflows(&self, cache_tokens: usize, incoming: usize) -> Option<OverflowTrigger> {
        let wanted = [incoming, self.max_reply_tokens, self.max_summary_tokens]
            .into_iter()
            .fold(cache_tokens, usize::saturating_add);
        if wanted > self.max_seq_len {
            Some(OverflowTrigger::NoRoom)
        } else if self.reserve_is_touched(cache_tokens) {
            Some(OverflowTrigger::Reserved)
        } else {
            None
        }
    }

    /// Whether a cache of `cache_tokens` has grown into the reserve.
    pub fn reserve_is_touched(&self, cache_tokens: usize) -> bool {
        cache_tokens >= self.max_seq_len.saturating_sub(self.reserved_seq_len)
    }

    /// How full a cache of `cache_tokens` is, as a share: at 1, `incoming` more tokens just fit without an
    /// overflow.
    pub fn fill(&self, cache_tokens: usize, incoming: usize) -> f64 {
        match self.room_before(incoming) {
            Some(room) if room > 0 => cache_tokens as f64 / room as f64,
            _ => f64::INFINITY,
        }
    }

    /// The most tokens that a cache may hold so that `incoming` more tokens do not overflow it; `None` if
    /// they always do.
    pub fn room_before(&self, incoming: usize) -> Option<usize> {
        let taken = [self.max_reply_tokens, self.max_summary_tokens]
            .into_iter()
            .fold(incoming, usize::saturating_add);
        let by_room = self.max_seq_len.checked_sub(taken)?;
        let by_reserve = self.max_seq_len.saturating_sub(self.reserved_seq_len).checked_sub(1)?;
        Some(by_room.min(by_reserve))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_trigger_has_its_case() {
        let budget =
            Budget { max_seq_len: 100, reserved_seq_len: 10, max_reply_tokens: 20, max_summary_tokens: 0 };
        assert_eq!(budget.overflows(60, 20), None);
        assert_eq!(budget.overflows(61, 20), Some(OverflowTrigger::NoRoom));
        assert_eq!(
            Budget { max_reply_tokens: 0, ..budget }.overflows(90, 1),
            Some(OverflowTrigger::Reserved)
        );
    }

    proptest! {
        #[test]
        fn room_before_is_exactly_the_border(
            max_seq_len in 0usize..500, reserved_seq_len in 0usize..500,
            max_reply_tokens in 0usize..100, max_summary_tokens in 0usize..100, incoming in 0usize..300,
        ) {
            let budget = Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens };
            match budget.room_before(incoming) {
                Some(room) => {
                    prop_assert_eq!(budget.overflows(room, incoming), None);
                    prop_assert!(budget.overflows(room + 1, incoming).is_some());
                }
                None => prop_assert!(budget.overflows(0, incoming).is_some()),
            }
        }
    }
}
