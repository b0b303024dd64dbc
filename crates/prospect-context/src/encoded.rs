//! Token ids with the kind of segment they belong to.

use std::ops::Range;

use crate::segment::SegmentKind;

/// Token ids, every one in a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The token ids.
    pub ids: Vec<u32>,
    /// Contiguous, in order, none empty, together covering `ids`.
    pub segments: Vec<EncodedSegment>,
}

/// A run of token ids of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSegment {
    /// What they are.
    pub kind: SegmentKind,
    /// Where they are in [`Encoded::ids`].
    pub tokens: Range<usize>,
}

impl Encoded {
    /// All `ids` as one segment.
    pub fn single(kind: SegmentKind, ids: Vec<u32>) -> Self {
        let mut encoded = Self::default();
        encoded.push(kind, &ids);
        encoded
    }

    /// Appends `ids`; they join the last segment if that is of the same kind.
    pub fn push(&mut self, kind: SegmentKind, ids: &[u32]) {
        let start = self.ids.len();
        self.ids.extend_from_slice(ids);
        if ids.is_empty() {
            return;
        }
        match self.segments.last_mut() {
            Some(last) if last.kind == kind => last.tokens.end = self.ids.len(),
            _ => self.segments.push(EncodedSegment { kind, tokens: start..self.ids.len() }),
        }
    }
}
