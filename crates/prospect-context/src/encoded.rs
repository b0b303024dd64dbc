//! Token ids with the kind of the segment to which each belongs.

use std::ops::Range;

use crate::segment::SegmentKind;

/// Token ids that are divided into segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The token ids.
    pub ids: Vec<u32>,
    /// The segments: contiguous, in order, none empty, together covering `ids`.
    pub segments: Vec<EncodedSegment>,
}

/// A run of token ids of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSegment {
    /// The kind of the tokens.
    pub kind: SegmentKind,
    /// Their range in [`Encoded::ids`].
    pub tokens: Range<usize>,
}

impl Encoded {
    /// All `ids` as one segment.
    pub fn single(kind: SegmentKind, ids: Vec<u32>) -> Self {
        let mut encoded = Self::default();
        encoded.push(kind, &ids);
        encoded
    }

    /// Appends `ids`. They extend the last segment if it is of the same kind.
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
