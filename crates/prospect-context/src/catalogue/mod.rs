//! The catalogue of strategies: the name, purpose and parameters of a strategy, before it is built.
//!
//! Each built-in strategy has its description in its own file, and [`crate::strategies::BUILT_IN`] lists the
//! descriptions. Settings, their checks and the printed settings are derived from this list, so a strategy
//! that is added to the list is known everywhere.
//!
//! ```
//! use prospect_context::catalogue::{self, ParameterValues};
//! use prospect_context::strategies::BUILT_IN;
//!
//! for strategy in BUILT_IN {
//!     println!("{}: {}", strategy.name, strategy.purpose);
//! }
//!
//! let sink_window = catalogue::find(BUILT_IN, "sink_window").expect("a built-in strategy");
//! let names: Vec<&str> = sink_window.parameters.iter().map(|parameter| parameter.name).collect();
//! assert_eq!(names, ["n_sink", "window", "positions"]);
//!
//! let values = ParameterValues::new().with("n_sink", 4).with("window", 2048).with("positions", "rerotate");
//! assert_eq!(
//!     sink_window.build(&values).err().map(|error| error.to_string()),
//!     Some("positions = \"rerotate\": expected one of \"legacy\", \"preserve\", \"rerotate\", \"recompute\"".to_owned()),
//!     "a text is no policy"
//! );
//! let values = values.with("positions", prospect_context::PositionPolicy::Rerotate);
//! assert_eq!(sink_window.build(&values)?.name(), "sink_window");
//! # Ok::<(), catalogue::ParameterError>(())
//! ```

mod description;
mod parameter;
mod values;

pub use description::{Make, StrategyDescription, find};
pub use parameter::{Parameter, ParameterKind, ParameterRole};
pub use values::{ParameterError, ParameterValue, ParameterValues};
