//! Checkpoints from the hub by the command line, against a stand-in for it on this machine.
#![allow(clippy::unwrap_used, reason = "tests")]

mod command_line;
mod concurrency;
#[path = "../../../prospect-hub/tests/hub/stand_in.rs"]
mod stand_in;
