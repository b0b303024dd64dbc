//! The trait that every strategy implements.

use crate::budget::Trigger;
use crate::plan::{EvictionPlan, PlanError, PositionPolicy, SummaryRequest};
use crate::view::{CacheView, SignalRequest, TokenCounter};

/// Decides what is kept when the cache overflows.
///
/// A strategy is a pure function of the view: equal views give equal plans.
pub trait ContextStrategy: Send + Sync {
    /// The name of the strategy in settings, traces and tables.
    fn name(&self) -> &str;

    /// Makes the plan for `view`: what is kept, and what is put back.
    ///
    /// # Errors
    /// [`PlanError`] if there is no lawful plan, for example because the budget is too small for the texts
    /// that have to be put back.
    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError>;

    /// The moment at which the run checks for an overflow.
    fn trigger(&self) -> Trigger {
        Trigger::BeforeChunk
    }

    /// Whether the strategy needs the dialogue state. A run that will never have one is refused before it
    /// starts.
    fn needs_dialogue_state(&self) -> bool {
        false
    }

    /// The number of tokens that a summary needs while it is generated, prompt and answer; 0 if there is no
    /// summary.
    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        let _ = counter;
        0
    }

    /// The position policy of the plans. A cache is built for one policy, and the kept keys of a plan have to
    /// follow it.
    fn positions(&self) -> PositionPolicy {
        PositionPolicy::default()
    }

    /// The measurements that the strategy needs.
    fn signals(&self) -> SignalRequest {
        SignalRequest::default()
    }

    /// The summary that the strategy wants to have before the overflow, if it is time to begin one at `view`.
    /// The run calls this after every silent frame until the answer is `Some`. The summary is then generated
    /// on a fork of the cache, [`Self::early_tokens_per_frame`] tokens at each silent frame. At the overflow
    /// it is in [`CacheView::early_summary`].
    fn early_summary(&self, view: &CacheView<'_>) -> Option<SummaryRequest> {
        let _ = view;
        None
    }

    /// The number of tokens of an early summary that are generated at each silent frame, at least 1.
    fn early_tokens_per_frame(&self) -> usize {
        4
    }
}
