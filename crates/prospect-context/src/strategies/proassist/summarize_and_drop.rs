//! ProAssist's `summarize_and_drop`, whose query shows the current frame again.

use crate::budget::Trigger;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
use crate::strategies::summarize_and_drop::restart;
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Restarts from one system message with system prompt, summary and task knowledge. The pending token is
/// lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizeAndDrop {
    /// The prompt that asks the model for a summary.
    pub prompt: String,
    /// The most tokens of a summary (ProAssist: 512).
    pub max_summary_len: usize,
}

impl SummarizeAndDrop {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "summarize_and_drop",
        purpose: "starts again from one message of system prompt, summary and task knowledge",
        parameters: &[
            Parameter::text("summary_prompt").as_role(ParameterRole::SummaryPrompt),
            Parameter::count("max_summary_len", 1).as_role(ParameterRole::SummaryLength),
        ],
        make: |values| {
            Ok(Box::new(Self {
                prompt: values.text("summary_prompt")?,
                max_summary_len: values.count("max_summary_len")?,
            }))
        },
    };
}

impl ContextStrategy for SummarizeAndDrop {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let request = restart(view, self.prompt.clone(), self.max_summary_len);
        EvictionPlan::new_proassist(
            vec![Piece::Summary(SummaryRequest { with_current_frame: true, ..request })],
            view,
        )
    }

    fn trigger(&self) -> Trigger {
        Trigger::AfterFrame
    }

    fn positions(&self) -> PositionPolicy {
        PositionPolicy::Legacy
    }
}
