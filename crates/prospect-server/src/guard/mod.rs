//! Who may come in, and how much of everything there may be.

mod keys;
mod limits;
mod origins;

pub(crate) use keys::Caller;
pub use keys::{KeyError, Keys};
pub use limits::Limits;
pub use origins::Origins;
