//! `sink_window`: attention sinks and a sliding window.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::survivors::initial_and_recent;
use crate::view::CacheView;

/// Keeps the initial segments that hold the attention sinks, and a recent window, in whole segments.
///
/// StreamingLLM (<https://arxiv.org/abs/2309.17453>): the first few tokens draw attention whatever they say, and a
/// model that loses them falls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkWindow {
    /// Least tokens kept at the beginning (the paper's 4), rounded up to whole segments.
    pub n_sink: usize,
    /// Most tokens kept at the end; fewer are kept where the budget is smaller.
    pub window: usize,
    /// Where the kept keys stand afterwards; the paper rotates them to contiguous positions.
    pub positions: PositionPolicy,
}

impl SinkWindow {
    /// What the catalogue says of it.
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
