//! `drop_all`: forget the stream, start again from the system prompt.

use crate::catalogue::StrategyDescription;
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::Role;
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Drops the whole cache and puts the system prompt back, so that the model still knows what it is for.
///
/// The lower bound that every other strategy has to beat. ProAssist (<https://arxiv.org/abs/2506.05904>) has it without
/// the system prompt: [`super::proassist::DropAll`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropAll;

impl DropAll {
    /// What the catalogue says of it.
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
