//! A stream that is written to a file between two frames and read back.
//!
//! The file is a safetensors file. It holds everything that the rest of the stream depends on: the KV
//! cache with its positions, the state of the session and of the model, and the position of the trace.
//! It also holds what the driver supplies: the progress of the source and the identity of the stream.

mod document;
mod error;
mod file;

pub use document::{SuspendedStream, write_suspended};
pub use error::SuspendedError;
pub use file::SuspendedFile;
