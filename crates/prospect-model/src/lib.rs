//! SmolVLM2 on candle: vision tower, connector, decoder and an accumulating KV cache.
//!
//! Of this workspace only this crate and `prospect-cuda` name candle; users see types of this crate. A
//! [`SmolVlm`] holds the weights, a [`KvCache`] holds one stream. The reference implementation is
//! `models/smolvlm` in `transformers`. Shapes come from config.json, never from constants. The feature
//! `sentence-encoder` adds a `SentenceEncoder`, which compares texts in evaluations.

mod answer;
mod any_device;
pub mod attention;
mod batch;
mod cache;
mod config;
mod cpu;
mod embeddings;
mod error;
mod eviction;
mod fused;
mod generate;
mod generation;
mod generator;
mod gguf;
mod image_encoder;
mod instructions;
mod layer_weights;
mod lend;
pub mod linear;
mod names;
mod open_file;
mod parameters;
mod passes;
mod placement;
mod precisions;
mod prefill;
mod random;
mod random_weights;
mod rates;
mod rotary;
mod rotation;
mod sampling;
#[cfg(feature = "sentence-encoder")]
mod sentence_encoder;
mod smolvlm;
mod stored;
mod tensor_file;
mod tensors;
mod text_config;
mod vectorised;
mod vision;
mod weights;

/// Whether this build can compute on NVIDIA GPUs.
pub const fn has_cuda() -> bool {
    cfg!(feature = "cuda")
}

/// Starts the computation threads. Without this call, the first computation starts `RAYON_NUM_THREADS`
/// threads, or one per core.
///
/// # Errors
/// [`ModelError::Threads`] if the threads cannot be started or are already running.
pub fn start_threads(threads: usize) -> Result<(), ModelError> {
    let started = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    started.map_err(|error| ModelError::Threads { message: error.to_string() })
}

/// Number of computation threads: `RAYON_NUM_THREADS`, or one per core.
pub fn threads() -> usize {
    candle_core::utils::get_num_threads()
}

pub use answer::{Found, Wanted};
pub use batch::{Answers, Input, Part};
pub use cache::{CacheTail, KvCache, SuspendedSlots};
pub use config::ModelConfig;
#[doc(hidden)]
pub use cpu::ZeroToken;
pub use embeddings::{Embeddings, EncodedImage, ImageEmbeddings, PixelValues};
pub use error::{GenerationError, ModelError};
pub use eviction::EvictionPiece;
pub use generation::{Generated, Generation, Next, StopReason};
pub use generator::{Generator, GeneratorMemory, TalkRule};
pub use gguf::{GgufCheckpoint, GgufError};
pub use image_encoder::ImageEncoder;
pub use instructions::cpu_instructions;
pub use linear::Precision;
pub use placement::{ComputeDevice, ComputeType, DeviceMemory, Kernels, Placement};
pub use precisions::{CacheType, FloatType, Precisions};
pub use random_weights::write_random_weights;
pub use rates::cpu_product_rate;
pub use sampling::{Choice, Sampling};
#[cfg(feature = "sentence-encoder")]
pub use sentence_encoder::SentenceEncoder;
pub use smolvlm::SmolVlm;
pub use stored::{StoredError, StoredTensor, StoredTensors, write_tensors};
pub use text_config::TextConfig;
pub use vision::VisionConfig;
