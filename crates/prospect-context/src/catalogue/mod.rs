//! What there is to know of a strategy before it is built: its name, what it is for, its parameters.
//!
//! Each built-in strategy says this of itself, in its own file; [`crate::strategies::BUILT_IN`] lists them. Settings, their
//! checks and what is printed of them follow from the list, so that a new strategy is known everywhere once it stands there.
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
