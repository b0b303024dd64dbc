//! The ledger: the segments of the cache and their slots.

#[cfg(feature = "serde")]
mod written;

use std::ops::Range;

use crate::segment::{Segment, SegmentKind};
use crate::view::FrameSimilarity;

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
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "written::WrittenLedger")
)]
pub struct Ledger {
    segments: Vec<Segment>,
    /// For each segment, the angle that [`FrameSimilarity::new`] describes.
    changes: Vec<f64>,
    travelled: Vec<f64>,
    /// The sum of these angles up to the present end of the stream.
    now_travelled: f64,
}

#[cfg(feature = "serde")]
impl TryFrom<written::WrittenLedger> for Ledger {
    type Error = String;

    fn try_from(written: written::WrittenLedger) -> Result<Self, String> {
        written.check()?;
        let written::WrittenLedger { segments, changes, travelled, now_travelled } = written;
        Ok(Self { segments, changes, travelled, now_travelled })
    }
}

impl Ledger {
    /// The ledger of an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ledger of a cache that is emptied and filled again in the same stream.
    pub fn emptied(old: &Self) -> Self {
        Self { now_travelled: old.now_travelled, ..Self::default() }
    }

    /// Like [`Self::emptied`], but reuses the buffers of a ledger that is no longer needed.
    pub(crate) fn emptied_into(old: &Self, mut spare: Self) -> Self {
        spare.clear();
        spare.now_travelled = old.now_travelled;
        spare
    }

    /// The segments, in the order of their slots.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Length of the cache in tokens.
    pub fn tokens(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.range.end)
    }

    /// Appends a segment of `tokens` tokens. An empty segment leaves no entry.
    pub fn append(&mut self, kind: SegmentKind, tokens: usize, time: f64, pinned: bool) {
        let start = self.tokens();
        if tokens > 0 {
            self.segments.push(Segment { kind, range: start..start + tokens, time, pinned });
            self.changes.push(0.0);
            self.travelled.push(self.now_travelled);
        }
    }

    /// Appends a frame. `similarity` is the cosine of its embedding with that of the frame before it in the
    /// stream; `None` if it was not measured, or if there was no frame before.
    pub fn append_frame(&mut self, tokens: usize, time: f64, pinned: bool, similarity: Option<f64>) {
        let change = similarity.map(|cosine| cosine.clamp(-1.0, 1.0).acos());
        self.now_travelled += change.unwrap_or(0.0);
        let segments = self.segments.len();
        self.append(SegmentKind::Frame, tokens, time, pinned);
        // Without one before it, a frame is as new as can be.
        self.changes[segments..].fill(change.unwrap_or(std::f64::consts::PI));
    }

    /// The similarity of the frames. All frames count as alike if no similarity was measured.
    pub fn frame_similarity(&self) -> FrameSimilarity<'_> {
        FrameSimilarity::new(&self.changes, &self.travelled)
    }

    /// Adds `tokens` tokens to the last segment: the silence token of a frame, or the last token of a reply.
    /// Does nothing if there is no segment.
    pub fn extend_last(&mut self, tokens: usize) {
        if let Some(last) = self.segments.last_mut() {
            last.range.end += tokens;
        }
    }

    /// Appends the slots `range` of another ledger. Segments that cross the borders of the range are clipped.
    pub fn append_from(&mut self, other: &Self, range: &Range<usize>) {
        let first = other.segments.partition_point(|segment| segment.range.end <= range.start);
        let from_first = first..other.segments.len();
        for index in from_first {
            let segment = &other.segments[index];
            if segment.range.start >= range.end {
                break;
            }
            let tokens = segment.range.end.min(range.end) - segment.range.start.max(range.start);
            let segments = self.segments.len();
            self.append(segment.kind, tokens, segment.time, segment.pinned);
            self.changes[segments..].fill(other.changes[index]);
            self.travelled[segments..].fill(other.travelled[index]);
        }
    }

    /// Segments of this kind are no longer pinned.
    pub(crate) fn unpin(&mut self, kind: SegmentKind) {
        let of_kind = self.segments.iter_mut().filter(|segment| segment.kind == kind);
        of_kind.for_each(|segment| segment.pinned = false);
    }

    /// Cuts the cache back to its first `tokens` tokens. A segment that crosses the cut is clipped.
    pub fn truncate(&mut self, tokens: usize) {
        let end = tokens.min(self.tokens());
        self.keep(std::slice::from_ref(&(0..end)));
    }

    /// Removes all segments.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.changes.clear();
        self.travelled.clear();
    }

    /// Drops everything outside of `ranges` (sorted and disjoint), and renumbers the slots. Segments that
    /// cross the borders of a range are clipped.
    pub fn keep(&mut self, ranges: &[Range<usize>]) {
        let mut kept = Self::emptied(self);
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
    fn frames_stay_as_unlike_as_the_way_between_them() {
        let mut ledger = Ledger::new();
        for (index, similarity) in [None, Some(1.0), Some(0.5), Some(0.5), Some(-1.0)].into_iter().enumerate()
        {
            ledger.append_frame(4, index as f64, false, similarity);
            ledger.append(SegmentKind::Assistant, 2, index as f64, false);
        }
        let third = std::f64::consts::FRAC_PI_3;
        let change =
            |ledger: &Ledger, earlier, later| ledger.frame_similarity().change(earlier, later) / third;
        assert!((change(&ledger, 0, 4) - 1.0).abs() < 1e-9 && change(&ledger, 0, 3) == 0.0);
        // The two frames in the middle go; what they had travelled is still known.
        ledger.keep(&[0..6, 18..30]);
        assert!((change(&ledger, 0, 2) - 2.0).abs() < 1e-9, "{:?}", ledger.frame_similarity());
        assert!((change(&ledger, 0, 4) - 3.0).abs() < 1e-9, "no angle is larger than pi");
        assert!((ledger.frame_similarity().cosine(0, 2) + 0.5).abs() < 1e-9);
        let mut again = Ledger::emptied(&ledger);
        again.append_frame(4, 9.0, false, Some(1.0));
        assert_eq!(again.travelled[0], *ledger.travelled.last().unwrap());
        // What was measured when a frame came in stays its own.
        let own: Vec<f64> =
            (0..4).map(|segment| ledger.frame_similarity().change_on_arrival(segment)).collect();
        assert!(
            (own[2] / third - 1.0).abs() < 1e-9 && own[0] == std::f64::consts::PI && own[1] == 0.0,
            "{own:?}"
        );
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
