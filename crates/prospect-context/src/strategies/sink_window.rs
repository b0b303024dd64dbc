//! `sink_window`: attention sinks and a sliding window.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::survivors::initial_and_recent;
use crate::view::CacheView;

/// Keeps the initial segments that hold the attention sinks, and a recent window. Both consist of whole
/// segments.
///
/// StreamingLLM (<https://arxiv.org/abs/2309.17453>) found that the first few tokens draw attention whatever
/// their content, and that a model that loses them generates nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkWindow {
    /// The least tokens that are kept at the beginning (4 in the paper), rounded up to whole segments.
    pub n_sink: usize,
    /// The most tokens that are kept at the end. Fewer are kept if the budget is smaller.
    pub window: usize,
    /// The positions of the kept keys after an eviction. The paper rotates keys to contiguous positions.
    pub positions: PositionPolicy,
}

impl SinkWindow {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "sink_window",
        purpose: "keeps the attention sinks and a recent window",
        parameters: &[
            Parameter::count("n_sink", 0).as_role(ParameterRole::KeptBeside),
            Parameter::count("window", 1).as_role(ParameterRole::Kept),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                n_sink: values.count("n_sink")?,
                window: values.count("window")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for SinkWindow {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let initial = view.segments.iter().take_while(|segment| segment.range.start < self.n_sink).count();
        EvictionPlan::new(initial_and_recent(view, initial, self.window)?, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}
