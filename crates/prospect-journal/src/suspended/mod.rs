//! A stream that is written down between two frames, and read back.
//!
//! The file is a safetensors file. It holds everything that the rest of the stream depends on: the cache with its positions, the
//! state of session and model, how far the trace had come; and what its driver says of how far its source had come and of what
//! it is a stream of.

mod document;
mod error;
mod file;

pub use document::{SuspendedStream, write_suspended};
pub use error::SuspendedError;
pub use file::SuspendedFile;
