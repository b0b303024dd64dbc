//! `keyframes`: first drops the frames that are most like the frame before them.

use super::drop_oldest_frames::{dialogue_and_room, is_frame};
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::Segment;
use crate::strategy::ContextStrategy;
use crate::survivors::{kept, newest};
use crate::view::{CacheView, SignalRequest};

/// Keeps messages and replies, the most recent frames, and those older frames that differed most from the
/// frame before them when they came in.
///
/// MovieChat (<https://arxiv.org/abs/2307.16449>) merges similar frames. This strategy merges nothing: it
/// keeps frames as the model saw them. In a run without the similarity of frames, all frames count as alike,
/// and the newest are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyframes {
    /// The most tokens of frames that stay. Fewer stay if the budget is smaller.
    pub keep_frame_len: usize,
    /// Of these, the most tokens of the newest frames, which stay even if they are alike.
    pub recent_frame_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl Keyframes {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "keyframes",
        purpose: "keeps what was said, the newest frames, and of the older ones those that differ most",
        parameters: &[
            Parameter::count("keep_frame_len", 1).as_role(ParameterRole::Kept),
            Parameter::count("recent_frame_len", 0).as_role(ParameterRole::PartOfKept),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                keep_frame_len: values.count("keep_frame_len")?,
                recent_frame_len: values.count("recent_frame_len")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for Keyframes {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let (words, free) = dialogue_and_room(view, self.keep_frame_len)?;
        let recent = newest(view.segments, free.min(self.recent_frame_len), is_frame);
        let left = free.saturating_sub(tokens_of_frames(&view.segments[recent..]));
        let chosen = most_different(view, recent, left);
        let stays = |index: usize, segment: &Segment| match is_frame(segment) {
            true => index >= recent || chosen[index],
            false => segment.pinned || index >= words,
        };
        let mut pieces = kept(view, stays);
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }

    fn signals(&self) -> SignalRequest {
        SignalRequest::default().with_frame_similarity()
    }
}

fn tokens_of_frames(segments: &[Segment]) -> usize {
    segments.iter().filter(|segment| is_frame(segment)).map(|segment| segment.range.len()).sum()
}

/// For each segment, whether it is kept as a key frame. The key frames are the frames before `end` that
/// differed most from the frame before them, up to `tokens` tokens together. Of frames that differed equally,
/// the later ones are taken. Linear in the number of segments.
fn most_different(view: &CacheView<'_>, end: usize, tokens: usize) -> Vec<bool> {
    let mut chosen = vec![false; view.segments.len()];
    let change = |index: usize| {
        let similarity = view.signals.frame_similarity;
        similarity.map_or(0.0, |similarity| similarity.change_on_arrival(index))
    };
    let frames = view.segments[..end].iter().enumerate().filter(|(_, segment)| is_frame(segment));
    let mut frames: Vec<(f64, usize)> = frames.map(|(index, _)| (change(index), index)).collect();
    let longest = frames.iter().map(|(_, index)| view.segments[*index].range.len()).max().unwrap_or(1);
    // Frames of one model are all of one length, but for a token or two: these counts are near each other.
    let count = (tokens / longest.max(1)).min(frames.len());
    if count < frames.len() && count > 0 {
        frames.select_nth_unstable_by(count - 1, |a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    }
    frames[..count].iter().for_each(|(_, index)| chosen[*index] = true);
    chosen
}
