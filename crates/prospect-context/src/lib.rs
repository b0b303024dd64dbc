//! Context strategies for streaming models: what survives when the KV cache overflows.
//!
//! A model that watches a stream fills its cache until the cache overflows. Then a [`ContextStrategy`] gets a
//! [`CacheView`]: a ledger of segments, the budget, and the number of tokens about to come in, but never a
//! tensor. It returns an [`EvictionPlan`], an ordered list of pieces. The plan is checked against the laws
//! when it is constructed.
//!
//! The laws are: Kept ranges lie in bounds, are sorted and disjoint. A frame is kept whole or not at all.
//! Pinned segments are kept or summed up, unless everything is dropped. The rest does not overflow again at
//! once. Equal views give equal plans.
//!
//! # A way in
//!
//! **Look** at the built-in strategies, or build one by its name, with the [`catalogue`].
//!
//! **Simulate** a stream under a strategy, without a model, with the [`simulator`].
//!
//! ```
//! use prospect_context::simulator::{Simulator, SimulatorError, SimulatorOptions, StreamParameters, table};
//! use prospect_context::strategies::{DropAll, DropMiddle};
//! use prospect_context::{Budget, PositionPolicy};
//!
//! let budget =
//!     Budget { max_seq_len: 4096, reserved_seq_len: 128, max_reply_tokens: 64, max_summary_tokens: 0 };
//! let options = SimulatorOptions::new(budget);
//! let stream = StreamParameters { frames: 7_200, fps: 2.0, ..StreamParameters::default() };
//! let drop_middle = DropMiddle { last_keep_len: 2048, positions: PositionPolicy::Rerotate };
//!
//! let forgetful = Simulator::new(&DropAll, options).run(stream.stream())?;
//! let windowed = Simulator::new(&drop_middle, options).run(stream.stream())?;
//! assert!(windowed.facts_in_cache().count() >= forgetful.facts_in_cache().count());
//! println!("{}", table(&[forgetful, windowed]));
//! # Ok::<(), SimulatorError>(())
//! ```
//!
//! **Write** a strategy, **check** it against the laws on random and hostile streams, and simulate it like
//! any other:
//!
//! ```
//! use prospect_context::{
//!     CacheView, ContextStrategy, EvictionPlan, Piece, PlanError, PositionPolicy, SegmentKind, laws,
//! };
//!
//! /// Keeps what is pinned and what the user said.
//! struct OnlyUser;
//!
//! impl ContextStrategy for OnlyUser {
//!     fn name(&self) -> &str {
//!         "only_user"
//!     }
//!     fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
//!         let said = view.segments.iter().filter(|segment| segment.pinned || segment.kind == SegmentKind::User);
//!         let mut pieces: Vec<Piece> = said.map(|segment| Piece::Keep(segment.range.clone())).collect();
//!         pieces.push(Piece::PendingReply);
//!         EvictionPlan::new(pieces, PositionPolicy::Rerotate, view)
//!     }
//! }
//!
//! let lawful = laws::check_strategy(&OnlyUser, 1_000)?;
//! assert!(lawful > 100, "{lawful} of 1,000 streams had a plan");
//! # Ok::<(), laws::Counterexample>(())
//! ```

pub mod account;
mod budget;
pub mod catalogue;
mod encoded;
pub mod laws;
mod ledger;
pub mod picture;
mod plan;
mod random;
mod segment;
pub mod simulator;
pub mod strategies;
mod strategy;
pub mod survivors;
mod view;

pub use budget::{Budget, OverflowTrigger, Trigger};
pub use encoded::{Encoded, EncodedSegment};
pub use ledger::Ledger;
pub use plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
pub use segment::{Role, Segment, SegmentKind};
pub use strategy::ContextStrategy;
pub use view::{
    CacheView, DialogueState, EarlySummary, FrameSimilarity, Opening, SignalRequest, Signals, TokenCounter,
};
