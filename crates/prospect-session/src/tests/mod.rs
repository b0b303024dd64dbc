//! The stream loop against a model without weights, whose cache is a list of ids.

mod adjust;
mod bounds;
mod cut;
mod driver;
mod encoding;
mod people;
mod policies;
mod suspended;
mod trace_format;
mod turns;
mod words;
