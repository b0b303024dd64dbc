//! Cuts attention into blocks. These are plain numbers, the same with or without a GPU.

/// Cache slots that one block of the kernel reads at once.
const BLOCK_SLOTS: usize = 256;
/// Query rows of one block of the kernel.
const BLOCK_ROWS: usize = 64;
/// The most parts that the merging kernel has room for.
const MAX_SPLITS: usize = 32;

/// Shape `[batch, tokens, heads, head_dim]` and strides of a tensor; strides count elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) dims: &'a [usize],
    pub(crate) strides: &'a [usize],
}

impl View<'_> {
    fn sizes(&self) -> Option<[usize; 4]> {
        self.dims.try_into().ok()
    }

    /// Strides of batch, token and head; `None` unless the features of a row are contiguous.
    fn rows(&self) -> Option<[usize; 3]> {
        match *self.strides {
            [batch, token, head, 1] => Some([batch, token, head]),
            _ => None,
        }
    }
}

/// Sizes of an attention, and the strides by which rows and heads are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) tokens: usize,
    pub(crate) slots: usize,
    /// Strides of batch, token and head.
    pub(crate) queries: [usize; 3],
    pub(crate) keys: [usize; 3],
    pub(crate) values: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) causal: bool,
}

impl Plan {
    /// `None` if the shapes do not match.
    pub(crate) fn new(over_cache: bool, [queries, keys, values]: [View<'_>; 3]) -> Option<Self> {
        let [batch, tokens, heads, head_dim] = queries.sizes()?;
        let [_, slots, kv_heads, _] = keys.sizes()?;
        let same = keys.dims == [batch, slots, kv_heads, head_dim] && values.dims == keys.dims;
        let whole = heads.checked_rem(kv_heads) == Some(0);
        if !same || !whole || tokens == 0 || slots == 0 || (over_cache && tokens > slots) {
            return None;
        }
        let plan = Self {
            batch,
            heads,
            kv_heads,
            head_dim,
            tokens,
            slots,
            queries: queries.rows()?,
            keys: keys.rows()?,
            values: values.rows()?,
            output: [tokens * heads * head_dim, heads * head_dim, head_dim],
            causal: over_cache && tokens > 1,
        };
        Some(if over_cache && tokens == 1 { plan.with_heads_as_rows() } else { plan })
    }

    /// A single token sees every slot. The query heads that share a key head can therefore be the rows
    /// of one block, and the keys are read once for all of them.
    fn with_heads_as_rows(self) -> Self {
        let group = self.heads / self.kv_heads;
        let turned = |[batch, _, head]: [usize; 3]| [batch, head, group * head];
        Self {
            heads: self.kv_heads,
            tokens: group,
            queries: turned(self.queries),
            output: turned(self.output),
            ..self
        }
    }

    /// Number of parts into which the slots are cut so that all `processors` (streaming
    /// multiprocessors) have work.
    pub(crate) fn splits(&self, processors: usize) -> usize {
        let blocks = self.batch * self.heads * self.tokens.div_ceil(BLOCK_ROWS);
        let slot_blocks = self.slots.div_ceil(BLOCK_SLOTS);
        // Two blocks run on a multiprocessor at once.
        let wanted = (2 * processors / blocks).clamp(1, MAX_SPLITS.min(slot_blocks));
        // Recomputed so that no part is empty.
        slot_blocks.div_ceil(slot_blocks.div_ceil(wanted))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn side_by_side([_, b, c, d]: [usize; 4]) -> [usize; 4] {
        [b * c * d, c * d, d, 1]
    }

    fn plan(queries: [usize; 4], keys: [usize; 4], strides: [usize; 4]) -> Option<Plan> {
        let cache = View { dims: &keys, strides: &strides };
        Plan::new(true, [View { dims: &queries, strides: &side_by_side(queries) }, cache, cache])
    }

    /// A cache with 3 key heads and a capacity of 8,192 slots, filled up to `slots`, as the model
    /// passes it.
    fn over_cache(tokens: usize, slots: usize) -> Plan {
        plan([1, tokens, 9, 64], [1, slots, 3, 64], [3 * 8192 * 64, 64, 8192 * 64, 1]).unwrap()
    }

    #[test]
    fn the_heads_of_one_token_are_rows() {
        let plan = over_cache(1, 1000);
        assert_eq!((plan.heads, plan.tokens, plan.causal), (3, 3, false));
        // Row 2 of key head 1 is query head 5.
        assert_eq!(2 * plan.queries[1] + plan.queries[2], 5 * 64);
        assert_eq!(plan.output[1..], [64, 3 * 64]);
    }

    #[test]
    fn a_chunk_sees_what_is_before_it() {
        let plan = over_cache(80, 1000);
        assert_eq!((plan.heads, plan.tokens, plan.causal), (9, 80, true));
        assert_eq!(plan.queries, [80 * 9 * 64, 9 * 64, 64]);
    }

    #[test]
    fn splits_grow_with_the_filled_part_and_none_is_empty() {
        for slots in 1..8192 {
            let plan = over_cache(1, slots);
            let (splits, blocks) = (plan.splits(132), slots.div_ceil(BLOCK_SLOTS));
            assert!((1..=MAX_SPLITS).contains(&splits));
            assert!(blocks.div_ceil(splits) * (splits - 1) < blocks, "{splits} splits of {blocks} blocks");
        }
        assert_eq!(over_cache(1, 200).splits(132), 1);
        assert_eq!(over_cache(1, 8192).splits(132), 32);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let queries = [1, 4, 9, 64];
        for keys in [[1, 8, 2, 64], [1, 8, 3, 32], [2, 8, 3, 64], [1, 3, 3, 64], [1, 8, 0, 64]] {
            assert_eq!(plan(queries, keys, side_by_side(keys)), None, "{keys:?}");
        }
        assert_eq!(plan(queries, [1, 8, 3, 64], [8 * 3 * 128, 3 * 128, 128, 2]), None);
    }
}
