//! The trace of a real run as a stream. It can be replayed under the run's own strategy, or given to another
//! strategy.
//!
//! The caller reads `trace.jsonl` and parses each line into a [`TraceEvent`]; this crate opens no file.
//!
//! ```
//! use prospect_context::simulator::recorded::{Recording, TraceEvent};
//! use prospect_context::simulator::{Simulator, table};
//! use prospect_context::strategies::{DropAll, DropMiddle};
//!
//! let trace = r#"{"event":"run_started","strategy":"drop_all"}
//! {"event":"budget","max_seq_len":40,"reserved_seq_len":4,"max_reply_tokens":5,"max_summary_tokens":0}
//! {"event":"frame","index":0,"time":0.0,"segments":[{"kind":"system","tokens":10,"pinned":true},{"kind":"frame","tokens":16,"pinned":false}],"cache_tokens":26}
//! {"event":"overflow","time":0.5,"incoming":16,"tokens_before":26,"tokens_after":8,"kept":[],"put_back":[{"kind":"system","tokens":8}]}
//! {"event":"frame","index":1,"time":0.5,"segments":[{"kind":"frame","tokens":16,"pinned":false}],"cache_tokens":24}"#;
//! let events = trace.lines().map(serde_json::from_str::<TraceEvent>).collect::<Result<Vec<_>, _>>()?;
//! let recording = Recording::from_events(events)?;
//!
//! let replay = recording.replay(&DropAll)?;
//! assert_eq!((replay.simulation.evictions.len(), replay.difference), (1, None));
//!
//! let other = DropMiddle { last_keep_len: 16, positions: Default::default() };
//! println!("{}", table(&[Simulator::new(&other, recording.options()).run(recording.steps())?]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod event;
mod read;
mod replay;

pub use error::RecordingError;
pub use event::{RecordedBudget, RecordedFrame, RecordedOverflow, RecordedSegment, TraceEvent};
pub use read::Recording;
pub use replay::{Difference, Replay};
