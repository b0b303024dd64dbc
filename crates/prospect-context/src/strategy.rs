//! The trait that every strategy implements.

use crate::budget::Trigger;
use crate::plan::{EvictionPlan, PlanError, PositionPolicy, SummaryRequest};
use crate::view::{CacheView, SignalRequest, TokenCounter};

/// Decides what survives when the cache overflows.
///
/// A strategy is a pure function of the view: equal views give equal plans.
pub trait ContextStrategy: Send + Sync {
    /// Its name in configs, traces and tables.
    fn name(&self) -> &str;

    /// What survives `view`, and what is put back.
    ///
    /// # Errors
    /// [`PlanError`] where no lawful plan exists, as when the budget is too small for what has to be put back.
    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError>;

    /// When the run checks for an overflow.
    fn trigger(&self) -> Trigger {
        Trigger::BeforeChunk
    }

    /// Whether it works from the dialogue state: a run that will never have one is then refused before it starts.
    fn needs_dialogue_state(&self) -> bool {
        false
    }

    /// Room in tokens that a summary needs while it is generated, prompt and answer; 0 without one.
    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        let _ = counter;
        0
    }

    /// The position policy of its plans. A cache is made for one policy; what a plan keeps has to follow it.
    fn positions(&self) -> PositionPolicy {
        PositionPolicy::default()
    }

    /// The measurements that it works from.
    fn signals(&self) -> SignalRequest {
        SignalRequest::default()
    }

    /// The summary that it would like to have written before the overflow comes, if it is time for it at `view`. It is asked
    /// after a frame at which the assistant was silent, until it wants one; the answer is then generated on a fork of the
    /// cache, [`Self::early_tokens_per_frame`] at each silent frame, and is in [`CacheView::early_summary`] at the overflow.
    fn early_summary(&self, view: &CacheView<'_>) -> Option<SummaryRequest> {
        let _ = view;
        None
    }

    /// How many tokens of an early summary are generated at a silent frame, at least 1.
    fn early_tokens_per_frame(&self) -> usize {
        4
    }
}
