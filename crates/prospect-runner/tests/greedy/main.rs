//! From an image and a text to the token ids of greedy decoding, against `transformers`
//! (`fixtures/goldens/greedy`).
#![allow(clippy::unwrap_used, reason = "tests")]

mod idefics3;
mod published_shapes;
mod support;
