//! Checkpoints from the hub, against a stand-in for it on this machine.
#![allow(clippy::unwrap_used, reason = "tests")]

mod failures;
mod layout;
mod resume;
mod stand_in;
#[cfg(feature = "xet")]
mod xet;
