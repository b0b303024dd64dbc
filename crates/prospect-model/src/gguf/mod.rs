//! GGUF files: a model's weights, settings and tokenizer, as llama.cpp has them.
//!
//! `header` reads what is in front of the tensors and checks all of it against the length of the file, `file` reads tensors,
//! `names` and `config` say what they mean, and `checkpoint` is the pair of files that a SmolVLM consists of. The tensor library
//! reads such files too; it is asked to decode blocks alone, since its reader divides by an alignment of zero, multiplies
//! dimensions without a check, keeps 24 bytes for every byte of an array, and gives errors as text.

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
