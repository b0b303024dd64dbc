//! A strategy tried without a model: what would survive of a stream?
//!
//! A [`Simulator`] feeds a strategy a stream under a budget, by the rules of a run, and reports what was kept, dropped and
//! put back, what it cost, and which facts - tagged segments, something worth remembering - the cache still tells at the end.
//! A stream is made up from [`StreamParameters`], is anything that iterates over [`StreamStep`]s, or (feature `serde`) is
//! read back from the trace of a real run (`recorded`).
//!
//! ```
//! use prospect_context::simulator::{Simulator, SimulatorError, SimulatorOptions, StreamParameters, table};
//! use prospect_context::strategies::{DropAll, DropMiddle};
//! use prospect_context::{Budget, ContextStrategy, PositionPolicy, SegmentKind};
//!
//! let budget =
//!     Budget { max_seq_len: 4096, reserved_seq_len: 128, max_reply_tokens: 64, max_summary_tokens: 0 };
//! let options = SimulatorOptions::new(budget);
//! let an_hour = StreamParameters::default(); // two frames a second, a fact every 25 seconds
//! let drop_middle = DropMiddle { last_keep_len: 2048, positions: PositionPolicy::Rerotate };
//!
//! let forgetful = Simulator::new(&DropAll, options).run(an_hour.stream())?;
//! let windowed = Simulator::new(&drop_middle, options).run(an_hour.stream())?;
//! println!("{}", table(&[forgetful.clone(), windowed.clone()]));
//! assert_eq!(windowed.survival(SegmentKind::System), Some(1.0));
//! assert!(windowed.facts_in_cache().count() > 0 && windowed.facts_lost().count() > 100);
//! assert_eq!(windowed.reprefilled(), 0, "it puts nothing back");
//! assert!(forgetful.reprefilled() > 0, "the system prompt");
//! # Ok::<(), SimulatorError>(())
//! ```
//!
//! Nothing here knows what a model would make of it. The summaries of a simulation are perfect: one tells every fact that
//! the cache told when it was begun, those of an older summary included. So the facts are an upper bound for the strategies
//! that summarise, and exact for those that keep.

mod early;
mod evict;
mod generated;
mod marks;
mod options;
#[cfg(feature = "serde")]
pub mod recorded;
mod report;
mod simulate;
mod stand_in;
mod stream;
mod table;

pub use generated::{GeneratedStream, StreamParameters};
pub use options::{SimulatorError, SimulatorOptions};
pub use report::{Eviction, FactPlace, FactRecord, PutBack, Simulation, StepFigures, TokensByKind};
pub use simulate::Simulator;
pub use stand_in::WordCounter;
pub use stream::{StreamSegment, StreamStep};
pub use table::{table, table_rows};
