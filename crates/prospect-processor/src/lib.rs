//! Pixels, chat template, token ids and segments for SmolVLM2 checkpoints.
//!
//! [`Processor::from_dir`] reads a checkpoint folder. The processor produces everything that the model
//! takes as input: normalized pixels ([`Pixels`]), and token ids with the kind of segment that they
//! belong to ([`Encoded`]).

mod chat;
mod checkpoint_file;
mod checkpoint_files;
mod config;
mod ends;
mod error;
mod expansion;
mod literal;
mod media;
mod number;
mod pixels;
mod processor;
mod python_json;
mod reply;
mod resize;
mod sequence;
mod split;
mod template;
mod token_texts;
mod tokens;
mod turn;
mod vocabulary;
mod weight;

pub use checkpoint_file::{CheckpointFileError, open_checkpoint_file, read_checkpoint_text};
pub use checkpoint_files::CheckpointFiles;
pub use error::ProcessorError;
pub use image::RgbImage;
pub use media::{Content, Message, VideoClip};
pub use number::number_words;
pub use pixels::Pixels;
pub use processor::Processor;
pub use prospect_context::{Encoded, EncodedSegment};
pub use resize::resize_lanczos;
pub use split::Grid;
pub use tokens::SpecialTokens;
pub use turn::UserTurn;
pub use vocabulary::{TokenKind, Vocabulary};
