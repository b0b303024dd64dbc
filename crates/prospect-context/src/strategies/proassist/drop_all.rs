//! ProAssist's `drop_all`: keeps nothing but the last generated token.

use crate::budget::Trigger;
use crate::catalogue::StrategyDescription;
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Drops everything; only the pending token goes in with the next frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropAll;

impl DropAll {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "drop_all",
        purpose: "forgets everything but the last generated token",
        parameters: &[],
        make: |_| Ok(Box::new(Self)),
    };
}

impl ContextStrategy for DropAll {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        EvictionPlan::new_proassist(vec![Piece::PendingReply], view)
    }

    fn trigger(&self) -> Trigger {
        Trigger::AfterFrame
    }

    fn positions(&self) -> PositionPolicy {
        PositionPolicy::Legacy
    }
}
