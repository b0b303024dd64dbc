//! `events`: cuts the stream into events, and keeps one frame of each.

use super::chosen_frames::{self, FrameRoom, highest};
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, FrameSimilarity, SignalRequest};

/// Keeps messages and replies, the most recent frames, and of the older part one frame for each event.
///
/// The older frames are cut where the similarity of neighbours has a minimum, at the deepest minima first,
/// until there are as many events as there is room for frames. Each event is represented by the frame that is
/// the least unlike both of its ends. Frames between which others were dropped are of different events
/// already. StreamForest (<https://arxiv.org/abs/2509.24871>) also keeps a stream by its events, and merges
/// the frames of each. This strategy merges nothing: it keeps frames as the model saw them.
///
/// [`super::Keyframes`] takes the frames that differ most from the one before them: all of them from a
/// passage with much motion, and the first frame of a new scene, which is often half of the old one. This
/// strategy takes one frame from the middle of everything that goes on. In a run without the similarity of
/// frames, the newest are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// The most tokens of frames that stay. Fewer stay if the budget is smaller, or if there are fewer
    /// events.
    pub keep_frame_len: usize,
    /// Of these, the most tokens of the newest frames, which stay whatever they show.
    pub recent_frame_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl Events {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "events",
        purpose: "keeps what was said, the newest frames, and one older frame of each event",
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

impl ContextStrategy for Events {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let room = FrameRoom { keep_frame_len: self.keep_frame_len, recent_frame_len: self.recent_frame_len };
        chosen_frames::plan(view, room, self.positions, |older, count| {
            match view.signals.frame_similarity {
                Some(similarity) => representatives(older, count, &similarity),
                // All frames count as alike.
                None => highest(older, count, |_| 0.0),
            }
        })
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }

    fn signals(&self) -> SignalRequest {
        SignalRequest::default().with_frame_similarity()
    }
}

/// One frame for each of at most `count` events of these frames. Takes time in proportion to the number of
/// frames.
fn representatives(frames: &[usize], count: usize, similarity: &FrameSimilarity<'_>) -> Vec<usize> {
    if count == 0 || frames.is_empty() {
        return Vec::new();
    }
    let mut cuts =
        highest(&minima(frames, similarity), count - 1, |at| similarity.change(frames[at - 1], frames[at]));
    cuts.sort_unstable();
    cuts.push(frames.len());
    let mut begin = 0;
    let events = cuts.into_iter().map(|end| &frames[std::mem::replace(&mut begin, end)..end]);
    events.filter_map(|event| middle(event, similarity)).collect()
}

/// Where a new event may begin: the places in `frames` at which the similarity to the frame before is lower
/// than at the place before, and at most as high as at the place behind, or at which frames were dropped.
fn minima(frames: &[usize], similarity: &FrameSimilarity<'_>) -> Vec<usize> {
    let change = |at: usize| match at {
        0 => 0.0,
        at => frames.get(at).map_or(0.0, |frame| similarity.change(frames[at - 1], *frame)),
    };
    let is_minimum = |at: &usize| {
        let here = change(*at);
        // The way is longer than the last step of it.
        let were_dropped = here > similarity.change_on_arrival(frames[*at]) + ROUNDING;
        were_dropped || (here > change(at - 1) && here >= change(at + 1))
    };
    (1..frames.len()).filter(is_minimum).collect()
}

/// The angle in radians below which two ways count as equal. They are sums of many angles, in another order.
const ROUNDING: f64 = 1e-9;

/// The frame whose larger bound of change, to either end of the event, is smallest; the first of several.
fn middle(event: &[usize], similarity: &FrameSimilarity<'_>) -> Option<usize> {
    let (first, last) = (*event.first()?, *event.last()?);
    let reach = |frame: usize| similarity.change(first, frame).max(similarity.change(frame, last));
    event.iter().copied().min_by(|a, b| reach(*a).total_cmp(&reach(*b)))
}
