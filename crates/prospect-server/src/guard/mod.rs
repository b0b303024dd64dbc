//! Protects the server: keys, allowed web pages, limits, and allowed addresses.

mod addresses;
mod keys;
mod limits;
mod origins;

pub use addresses::{AllowedSources, PatternError};
pub(crate) use addresses::{Checked, Refusal, Resolve, SystemResolver};
pub(crate) use keys::Caller;
pub use keys::{KeyError, Keys};
pub use limits::Limits;
pub use origins::Origins;
