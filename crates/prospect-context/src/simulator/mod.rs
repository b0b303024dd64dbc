//! A simulator for strategies, without a model: what would a strategy keep of a stream?
//!
//! A [`Simulator`] passes a stream to a strategy under a budget, by the rules of a run. It reports what was
//! kept, dropped and put back, and what that cost. It also reports which facts the cache still tells at the
//! end. A fact marks a segment with something worth remembering. A stream is generated from
//! [`StreamParameters`], or it is any iterator over [`StreamStep`]s, or (feature `serde`) it is read from the
//! trace of a real run (`recorded`).
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
//! A simulation does not know what a model would make of the cache. Its summaries are perfect: a summary
//! tells every fact that the cache told when the summary was begun, including the facts of an older summary.
//! Therefore the facts are an upper bound for strategies that summarise, and exact for strategies that keep
//! segments.

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
