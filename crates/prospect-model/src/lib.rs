//! SmolVLM2 on candle: vision tower, connector, decoder and an accumulating KV cache.
//!
//! The only crate of the workspace that names candle; its users see newtypes. A [`SmolVlm`] holds weights, a [`KvCache`]
//! holds one stream. The reference is `transformers`' `models/smolvlm`; shapes come from config.json, never from constants.

mod cache;
mod connector;
mod decoder;
mod error;
mod generate;
mod layers;
mod rotary;
mod smolvlm;
mod vision;
mod weights;

pub use cache::KvCache;
pub use decoder::TextConfig;
pub use error::ModelError;
pub use generate::{Generated, Generator, StopReason, TalkRule};
pub use smolvlm::{Embeddings, EvictionPiece, ImageEmbeddings, ModelConfig, PixelValues, SmolVlm};
pub use vision::VisionConfig;
