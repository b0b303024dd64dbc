//! The program as a person runs it: what it prints, its exit codes, its traces.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod convert;
mod deploy;
mod documented;
mod gguf;
mod interrupt;
mod json_schema;
mod manual;
mod narrow;
mod people;
mod presets;
mod report;
mod reproducible;
mod results;
mod schema;
mod simulate;
mod sources;
mod suite;
mod support;
mod suspend;
mod usage;
mod verbosity;
mod writers;
