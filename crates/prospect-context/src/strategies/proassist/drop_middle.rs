//! ProAssist's `drop_middle`: keeps the first step with a user message, and the last tokens.

use crate::budget::Trigger;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Keeps the cache as it was after the first step with a user message, and the last `last_keep_len` tokens.
/// Drops everything if there was no such step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropMiddle {
    /// The number of tokens that are kept at the end. Frames may be cut.
    pub last_keep_len: usize,
}

impl DropMiddle {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "drop_middle",
        purpose: "keeps the first step with a user message, and the last tokens",
        parameters: &[Parameter::count("last_keep_len", 1).as_role(ParameterRole::Kept)],
        make: |values| Ok(Box::new(Self { last_keep_len: values.count("last_keep_len")? })),
    };
}

impl ContextStrategy for DropMiddle {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let cache_tokens = view.cache_tokens();
        let mut pieces = Vec::with_capacity(3);
        if let Some(initial) = view.initial_tokens.map(|tokens| tokens.min(cache_tokens)) {
            let start = cache_tokens.saturating_sub(self.last_keep_len).max(initial);
            let kept = if cache_tokens < self.last_keep_len {
                [0..cache_tokens, cache_tokens..cache_tokens]
            } else {
                [0..initial, start..cache_tokens]
            };
            pieces.extend(kept.into_iter().filter(|range| !range.is_empty()).map(Piece::Keep));
        }
        pieces.push(Piece::PendingReply);
        EvictionPlan::new_proassist(pieces, view)
    }

    fn trigger(&self) -> Trigger {
        Trigger::AfterFrame
    }

    fn positions(&self) -> PositionPolicy {
        PositionPolicy::Legacy
    }
}
