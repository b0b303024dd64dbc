//! The trait that every strategy implements.

use crate::budget::Trigger;
use crate::plan::{EvictionPlan, PlanError};
use crate::view::{CacheView, TokenCounter};

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
}
