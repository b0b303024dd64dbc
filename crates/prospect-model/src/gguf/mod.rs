//! GGUF files: weights, settings and tokenizer of a model in the format of llama.cpp.
//!
//! `header` reads the part before the tensors and checks it against the length of the file. `file`
//! reads tensors. `names` and `config` interpret names and metadata. `checkpoint` is the pair of files
//! of a SmolVLM. The tensor library has a reader for GGUF too, but only its decoding of blocks is used
//! here: its reader divides by an alignment of zero, multiplies dimensions without a check, needs 24
//! bytes of memory for every byte of an array, and reports errors as text.

mod block_type;
mod checkpoint;
mod config;
mod error;
mod file;
mod header;
mod header_bytes;
mod metadata;
mod names;
#[cfg(test)]
mod tests;
mod value;
mod vocabulary;

pub use checkpoint::GgufCheckpoint;
pub use error::GgufError;
