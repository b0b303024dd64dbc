//! The stream loop against a model without weights, whose cache is a list of ids.

mod bounds;
mod encoding;
mod fake;
mod policies;
mod suspended;
mod trace_format;
