//! The program as a person runs it: what it prints, its exit codes, its traces.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod convert;
mod gguf;
mod interrupt;
mod people;
mod presets;
mod report;
mod reproducible;
mod results;
mod simulate;
mod sources;
mod suite;
mod support;
mod suspend;
mod usage;
mod writers;
