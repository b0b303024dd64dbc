//! Libraries that take a damaged file at its word and panic where it lies.

pub(super) use prospect_processor::caught;
