//! The program as a person runs it: what it prints, its exit codes, its traces.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod convert;
mod interrupt;
mod reproducible;
mod support;
mod usage;
