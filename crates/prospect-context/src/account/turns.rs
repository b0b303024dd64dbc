//! Frames inside of the user's turn: what an eviction has to open and close again, so that no frame stands outside of a turn.
//!
//! Such a stream is a dialogue: a user's turn is opened, frames and what people say go in, a question closes the turn, the
//! assistant answers, and the next frame opens another turn. A strategy knows nothing of that and keeps whole segments.

use crate::segment::{Segment, SegmentKind};

/// What opens and what closes a user's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UserTurn<W> {
    /// Stands before the first frame of a turn.
    pub opening: W,
    /// Stands behind the last frame or text of a turn.
    pub closing: W,
    /// A reply without a word, for a turn whose reply is gone: no turn of the user's follows another one.
    pub no_reply: W,
}

/// What a segment is in the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A message of its own: the system prompt, a summary, a reply.
    Message,
    /// Opens a user's turn.
    Opening,
    /// A frame or a text inside of a user's turn.
    Inside,
    /// The end of a user's turn, behind which the assistant answers.
    Closing,
}

/// Whether a user's turn is open behind a segment of this kind: nothing but a message closes it.
pub(super) fn is_of_turn(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::Frame | SegmentKind::User)
}

/// What the segment `index` is. It follows from its neighbours.
pub(super) fn part(segments: &[Segment], index: usize) -> Part {
    let is_of_turn = |segment: &Segment| is_of_turn(segment.kind);
    let before = index.checked_sub(1).map(|before| &segments[before]);
    match segments[index].kind {
        SegmentKind::System | SegmentKind::Summary | SegmentKind::Assistant => Part::Message,
        SegmentKind::Frame => Part::Inside,
        SegmentKind::User if !before.is_some_and(is_of_turn) => Part::Opening,
        SegmentKind::User if segments.get(index + 1).is_some_and(|next| !is_of_turn(next)) => Part::Closing,
        SegmentKind::User => Part::Inside,
    }
}
