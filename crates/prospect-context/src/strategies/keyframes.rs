//! `keyframes`: first drops the frames that are most like the frame before them.

use super::chosen_frames::{self, FrameRoom, highest};
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
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
        let similarity = view.signals.frame_similarity;
        let change = |index| similarity.map_or(0.0, |similarity| similarity.change_on_arrival(index));
        let room = FrameRoom { keep_frame_len: self.keep_frame_len, recent_frame_len: self.recent_frame_len };
        chosen_frames::plan(view, room, self.positions, |older, count| highest(older, count, change))
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }

    fn signals(&self) -> SignalRequest {
        SignalRequest::default().with_frame_similarity()
    }
}
