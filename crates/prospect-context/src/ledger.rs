//! The ledger: which segment stands where in the cache.

use std::ops::Range;

use crate::segment::{Segment, SegmentKind};

/// Contiguous segments that cover the cache from slot 0 to its length.
///
/// ```
/// use prospect_context::{Ledger, SegmentKind};
///
/// let mut ledger = Ledger::new();
/// ledger.append(SegmentKind::System, 10, 0.0, true);
/// ledger.append(SegmentKind::Frame, 6, 0.0, false);
/// ledger.extend_last(1); // the silence token of that frame
/// assert_eq!(ledger.tokens(), 17);
/// ledger.keep(&[0..10]);
/// assert_eq!(ledger.tokens(), 10);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    segments: Vec<Segment>,
}

impl Ledger {
    /// The ledger of an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The segments, in the order of their slots.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Length of the cache in tokens.
    pub fn tokens(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.range.end)
    }

    /// A new segment of `tokens` tokens goes in at the end; an empty one leaves no entry.
    pub fn append(&mut self, kind: SegmentKind, tokens: usize, time: f64, pinned: bool) {
        let start = self.tokens();
        if tokens > 0 {
            self.segments.push(Segment { kind, range: start..start + tokens, time, pinned });
        }
    }

    /// `tokens` more belong to the last segment: a frame's silence token, a reply's last token. Without a segment there
    /// is nothing they could belong to, and nothing happens.
    pub fn extend_last(&mut self, tokens: usize) {
        if let Some(last) = self.segments.last_mut() {
            last.range.end += tokens;
        }
    }

    /// The slots `range` of another ledger go in at the end; segments across its borders are clipped.
    pub fn append_from(&mut self, other: &Self, range: &Range<usize>) {
        let first = other.segments.partition_point(|segment| segment.range.end <= range.start);
        for segment in other.segments[first..].iter().take_while(|segment| segment.range.start < range.end) {
            let tokens = segment.range.end.min(range.end) - segment.range.start.max(range.start);
            self.append(segment.kind, tokens, segment.time, segment.pinned);
        }
    }

    /// Cuts the cache back to its first `tokens` tokens; a segment across the cut is clipped.
    pub fn truncate(&mut self, tokens: usize) {
        let end = tokens.min(self.tokens());
        self.keep(std::slice::from_ref(&(0..end)));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.segments.clear();
    }

    /// Drops everything outside `ranges` (sorted, disjoint), clips segments across their borders, and renumbers the slots.
    pub fn keep(&mut self, ranges: &[Range<usize>]) {
        let mut kept = Self::new();
        for range in ranges {
            kept.append_from(self, range);
        }
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ledger(lengths: &[usize]) -> Ledger {
        let mut ledger = Ledger::new();
        for (index, &tokens) in lengths.iter().enumerate() {
            ledger.append(SegmentKind::Frame, tokens, index as f64, false);
        }
        ledger
    }

    fn is_contiguous(ledger: &Ledger) -> bool {
        let ends = ledger.segments().iter().map(|segment| segment.range.end);
        let starts = ledger.segments().iter().map(|segment| segment.range.start);
        std::iter::once(0).chain(ends).zip(starts).all(|(end, start)| end == start)
            && ledger.segments().iter().all(|segment| !segment.range.is_empty())
    }

    #[test]
    fn keep_clips_a_segment_at_both_ends() {
        let mut ledger = ledger(&[4, 10, 4]);
        ledger.keep(&[2..6, 12..16]);
        let tokens: Vec<_> = ledger.segments().iter().map(|s| (s.time as usize, s.range.clone())).collect();
        assert_eq!(tokens, [(0, 0..2), (1, 2..4), (1, 4..6), (2, 6..8)]);
    }

    #[test]
    fn an_empty_ledger_has_nothing_to_extend() {
        let mut ledger = Ledger::new();
        ledger.extend_last(3);
        assert_eq!(ledger.tokens(), 0);
    }

    proptest! {
        #[test]
        fn keep_conserves_exactly_the_kept_tokens(
            lengths in prop::collection::vec(0usize..20, 0..30),
            mut cuts in prop::collection::vec(0usize..600, 0..8),
        ) {
            let mut ledger = ledger(&lengths);
            let total = ledger.tokens();
            cuts.iter_mut().for_each(|cut| *cut %= total + 1);
            cuts.sort_unstable();
            let ranges: Vec<Range<usize>> =
                cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).filter(|range| !range.is_empty()).collect();
            ledger.keep(&ranges);
            prop_assert_eq!(ledger.tokens(), ranges.iter().map(ExactSizeIterator::len).sum::<usize>());
            prop_assert!(is_contiguous(&ledger));
        }

        #[test]
        fn truncate_leaves_a_prefix(lengths in prop::collection::vec(0usize..20, 0..30), tokens in 0usize..600) {
            let before = ledger(&lengths);
            let mut after = before.clone();
            after.truncate(tokens);
            prop_assert_eq!(after.tokens(), tokens.min(before.tokens()));
            prop_assert!(is_contiguous(&after));
        }
    }
}
