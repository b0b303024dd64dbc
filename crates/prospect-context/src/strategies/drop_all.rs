//! `drop_all`: drops the stream and starts again from the system prompt.

use crate::catalogue::StrategyDescription;
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::Role;
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Drops the whole cache and puts the system prompt back, so that the model still has its instructions.
///
/// This is the lower bound that every other strategy has to beat. ProAssist
/// (<https://arxiv.org/abs/2506.05904>) drops the system prompt as well: [`super::proassist::DropAll`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropAll;

impl DropAll {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "drop_all",
        purpose: "forgets everything but the system prompt",
        parameters: &[],
        make: |_| Ok(Box::new(Self)),
    };
}

impl ContextStrategy for DropAll {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let mut pieces = Vec::with_capacity(2);
        if !view.opening.system_prompt.is_empty() {
            pieces.push(Piece::Text { role: Role::System, text: view.opening.system_prompt.to_owned() });
        }
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, PositionPolicy::default(), view)
    }
}
