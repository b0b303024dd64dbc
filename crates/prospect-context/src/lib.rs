//! Context strategies for streaming models: what survives when the KV cache overflows.
//!
//! A model that watches a stream fills its cache until it overflows. Then a [`ContextStrategy`] is shown a
//! [`CacheView`] - a ledger of segments, the budget, the tokens about to come in; never a tensor - and answers with an
//! [`EvictionPlan`]: an ordered list of pieces that is checked against the laws when it is made.
//!
//! The laws: kept ranges lie in bounds, sorted and disjoint; a frame is kept whole or not at all; pinned segments are
//! kept, summed up, or everything is dropped; what is left does not overflow again at once; equal views give equal plans.
//!
//! ```
//! use prospect_context::{
//!     Budget, CacheView, ContextStrategy, EvictionPlan, Ledger, Opening, Piece, PlanError, PositionPolicy, Role,
//!     SegmentKind, Signals, TokenCounter,
//! };
//!
//! /// Keeps the system prompt and nothing else.
//! struct OnlySystem;
//!
//! impl ContextStrategy for OnlySystem {
//!     fn name(&self) -> &str {
//!         "only_system"
//!     }
//!     fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
//!         let system = view.segments.iter().filter(|segment| segment.kind == SegmentKind::System);
//!         let mut pieces: Vec<Piece> = system.map(|segment| Piece::Keep(segment.range.clone())).collect();
//!         pieces.push(Piece::PendingReply);
//!         EvictionPlan::new(pieces, PositionPolicy::Rerotate, view)
//!     }
//! }
//!
//! struct Words;
//! impl TokenCounter for Words {
//!     fn message_tokens(&self, _role: Role, text: &str) -> usize {
//!         text.split_whitespace().count() + 4
//!     }
//! }
//!
//! let mut ledger = Ledger::new();
//! ledger.append(SegmentKind::System, 20, 0.0, true);
//! for frame in 0..8 {
//!     ledger.append(SegmentKind::Frame, 8, f64::from(frame) / 2.0, false);
//! }
//! let view = CacheView {
//!     segments: ledger.segments(),
//!     budget: Budget { max_seq_len: 100, reserved_seq_len: 16, max_reply_tokens: 12, max_summary_tokens: 0 },
//!     incoming: 8,
//!     pending: 1,
//!     time: 4.0,
//!     opening: Opening { system_prompt: "Watch.", task_knowledge: None },
//!     initial_tokens: None,
//!     dialogue_state: None,
//!     token_counter: &Words,
//!     signals: Signals::default(),
//!     early_summary: None,
//! };
//! let plan = OnlySystem.plan(&view)?;
//! assert_eq!(plan.kept().collect::<Vec<_>>(), [0..20]);
//! # Ok::<(), PlanError>(())
//! ```

mod budget;
pub mod laws;
mod ledger;
mod plan;
mod random;
mod segment;
pub mod simulator;
pub mod strategies;
mod strategy;
mod view;

pub use budget::{Budget, OverflowTrigger, Trigger};
pub use ledger::Ledger;
pub use plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
pub use segment::{Role, Segment, SegmentKind};
pub use strategy::ContextStrategy;
pub use view::{
    CacheView, DialogueState, EarlySummary, FrameSimilarity, Opening, SignalRequest, Signals, TokenCounter,
};
