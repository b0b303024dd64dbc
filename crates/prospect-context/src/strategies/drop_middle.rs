//! `drop_middle`: keeps the beginning of the stream and its most recent segments.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::initial_and_recent;
use crate::view::CacheView;

/// Keeps the initial segments (system prompt, summary, a user message before the first frame) and whole segments from
/// the last `last_keep_len` tokens.
///
/// The strategy follows ProAssist (<https://arxiv.org/abs/2506.05904>), which cuts through frames and keeps
/// the first frame and reply with the initial part: [`super::proassist::DropMiddle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropMiddle {
    /// The most tokens that are kept at the end. Fewer are kept if the budget is smaller.
    pub last_keep_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl DropMiddle {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "drop_middle",
        purpose: "keeps how the stream began and what happened last",
        parameters: &[
            Parameter::count("last_keep_len", 1).as_role(ParameterRole::Kept),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                last_keep_len: values.count("last_keep_len")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for DropMiddle {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let is_initial =
            |kind| matches!(kind, SegmentKind::System | SegmentKind::Summary | SegmentKind::User);
        // A user message that a former eviction left behind the initial part came later, and is not initial for ever.
        let opened = view.segments.first().map_or(0.0, |segment| segment.time);
        let is_initial = |segment: &&Segment| is_initial(segment.kind) && segment.time <= opened;
        let initial = view.segments.iter().take_while(is_initial).count();
        EvictionPlan::new(initial_and_recent(view, initial, self.last_keep_len)?, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}
