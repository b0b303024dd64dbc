//! Checks which addresses in requests may be opened. [`AllowedSources::decide`] is the only place that
//! decides this.

mod allowed;
mod networks;
mod pattern;
mod refusal;
mod resolver;
#[cfg(test)]
mod tests;
mod wildcard;
mod written;

pub use allowed::AllowedSources;
pub(crate) use allowed::Checked;
pub use pattern::PatternError;
pub(crate) use refusal::Refusal;
pub(crate) use resolver::{Resolve, SystemResolver};
