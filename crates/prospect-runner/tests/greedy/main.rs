//! From an image and a text to greedy ids, as `transformers` goes the way (`fixtures/goldens/greedy`).
#![allow(clippy::unwrap_used, reason = "tests")]

mod idefics3;
mod published_shapes;
mod support;
