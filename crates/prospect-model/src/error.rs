//! Errors of a checkpoint and of the computation.

use std::path::PathBuf;

use crate::answer::Wanted;
use crate::gguf::GgufError;

/// Any failure of the model. Its `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the checkpoint does not exist or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A JSON file lacks a required key, or a value has the wrong type.
    #[error("{}: {}: expected {expected}", path.display(), one_line(source))]
    Config {
        /// The file.
        path: PathBuf,
        /// The parser's error, with key and place.
        source: serde_json::Error,
        /// What the file should contain.
        expected: &'static str,
    },
    /// The configuration is one of another kind of model, or its parts are inconsistent.
    #[error("{}: {key} is {}: expected {expected}", path.display(), one_line(value))]
    Shape {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be valid.
        expected: String,
    },
    /// The weights have a format that this program does not read.
    #[error(
        "{}: no model.safetensors, but {}: expected weights as safetensors (`model.save_pretrained(folder, safe_serialization=True)` of transformers writes them)",
        folder.display(), one_line(found)
    )]
    ForeignWeights {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// Name of the first file of weights in the folder.
        found: String,
    },
    /// A list of shards or modules names a file outside its folder.
    #[error("{}: it names the file {name:?}: expected the name of a file beside it", path.display())]
    ShardName {
        /// The file with the list.
        path: PathBuf,
        /// The name in the list.
        name: String,
    },
    /// The file is truncated, or is not a safetensors file.
    #[error("{}: not a readable safetensors file: {message}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        message: String,
    },
    /// The GGUF file is damaged, or is not one of a SmolVLM.
    #[error("{}: {source}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GgufError,
    },
    /// A tensor that the model needs is missing.
    #[error("{}: tensor {name} is missing: expected shape {expected:?}", folder.display())]
    MissingTensor {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Shape according to config.json.
        expected: Vec<usize>,
    },
    /// Two files contain the same tensor.
    #[error("{}: tensor {name} is there twice: expected each once", folder.display())]
    TensorTwice {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// Name of the tensor.
        name: String,
    },
    /// The shape of a tensor contradicts config.json.
    #[error("{}: tensor {name} has shape {actual:?}: expected {expected:?} by the configuration", folder.display())]
    TensorShape {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        actual: Vec<usize>,
        /// Shape according to config.json.
        expected: Vec<usize>,
    },
    /// The type of a tensor is not one of weights.
    #[error("{}: tensor {name} has type {actual}: expected F32, BF16 or F16", folder.display())]
    TensorType {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Type in the file.
        actual: String,
    },
    /// The modules are not those of a sentence encoder, or contain one that is not supported.
    #[error("{}: the modules are [{modules}]: expected Transformer, Pooling and at most Normalize", path.display())]
    Modules {
        /// The file.
        path: PathBuf,
        /// The modules in order.
        modules: String,
    },
    /// The pooling is not the mean over the tokens.
    #[error("{}: the pooling is {pooling}: expected mean", path.display())]
    Pooling {
        /// The file.
        path: PathBuf,
        /// The pooling that the file asks for.
        pooling: String,
    },
    /// The tokenizer library cannot load the tokenizer file.
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The library's message.
        message: String,
    },
    /// The tokenizer library cannot tokenize a text.
    #[error("the text cannot be tokenised: {message}")]
    Tokenise {
        /// The library's message.
        message: String,
    },
    /// A sentence embedding contains a NaN or an infinity.
    #[error(
        "the embedding holds {value} at component {component}: expected finite numbers (a damaged checkpoint?)"
    )]
    NonFiniteEmbedding {
        /// The first such value.
        value: f32,
        /// Its index.
        component: usize,
    },
    /// The chunk has no token; the cache is unchanged.
    #[error("the chunk holds no token: expected at least one")]
    EmptyChunk,
    /// The chunk does not fit; the cache is unchanged.
    #[error("{incoming} tokens do not fit into the cache: {cached} of {capacity} slots are taken")]
    CacheFull {
        /// Number of new tokens.
        incoming: usize,
        /// Number of tokens in the cache.
        cached: usize,
        /// Most tokens that the cache holds.
        capacity: usize,
    },
    /// The slots to keep are not filled; the cache is unchanged.
    #[error("slots {start}..{end} cannot be kept: expected a range within the {cached} tokens of the cache")]
    KeepRange {
        /// First slot.
        start: usize,
        /// Slot after the last one.
        end: usize,
        /// Number of tokens in the cache.
        cached: usize,
    },
    /// The position lies beyond the model's maximum.
    #[error("position {position} is past the model's maximum: expected at most {max}")]
    Position {
        /// The position.
        position: usize,
        /// The largest position.
        max: usize,
    },
    /// The token id is not in the vocabulary.
    #[error("token id {id} is not in the vocabulary: expected less than {vocab_size}")]
    TokenId {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// The numbers of image tokens and of image embeddings differ.
    #[error("{image_tokens} image tokens for {embeddings} image embeddings: expected as many")]
    ImageTokens {
        /// Number of image tokens among the ids.
        image_tokens: usize,
        /// Number of image embeddings.
        embeddings: usize,
    },
    /// The number of image embedding values is not a multiple of the hidden size.
    #[error("{values} values of image embeddings: expected a multiple of the hidden size, {hidden_size}")]
    ImageValues {
        /// Number of values.
        values: usize,
        /// Number of values of one image token.
        hidden_size: usize,
    },
    /// The pixels are not a whole number of tiles of the size that the vision tower takes.
    #[error(
        "{values} pixel values for {tiles} tiles of 3x{height}x{width}: expected at least one tile of 3x{side}x{side} and as many values"
    )]
    Pixels {
        /// Number of values.
        values: usize,
        /// Number of tiles.
        tiles: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Height and width according to config.json, in pixels.
        side: usize,
    },
    /// The logits contain a NaN or an infinity; the cache is as before the chunk.
    #[error("the logits hold {value} at token {token}: expected finite numbers (a damaged checkpoint?)")]
    NonFiniteLogits {
        /// The first such value.
        value: f32,
        /// Token id of that value.
        token: usize,
    },
    /// This build or this machine has no such GPU.
    #[error("{problem}")]
    Gpu {
        /// What is missing.
        problem: String,
    },
    /// The device does not support the type or the precision.
    #[error("{what} is not computed: expected {expected}")]
    Unsupported {
        /// The requested type or precision.
        what: &'static str,
        /// What the device supports.
        expected: &'static str,
    },
    /// The threads cannot be started.
    #[error("threads to compute with: {message}: expected a system that gives them")]
    Threads {
        /// The error message.
        message: String,
    },
    /// The tensor library failed.
    #[error("tensor library: {}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
    /// The input does not fit a linear layer, or its weights cannot be packed.
    #[error(transparent)]
    Linear(#[from] crate::linear::LinearError),
    /// A reply got an answer that it cannot use.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The shapes of queries, keys and values do not match.
    #[error(transparent)]
    Attention(#[from] crate::attention::ShapeError),
}

/// Why a reply cannot take an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// The reply is finished.
    #[error("a reply that is finished was given another word: expected none")]
    Finished,
    /// The answer does not contain what the reply asked for.
    #[error("a reply was given less than it asked for: expected {wanted:?}")]
    NotEnough {
        /// What the reply asked for.
        wanted: Wanted,
    },
}

impl ModelError {
    /// Whether the checkpoint, rather than the computation, is at fault.
    pub fn is_bad_checkpoint(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Config { .. }
                | Self::Shape { .. }
                | Self::ForeignWeights { .. }
                | Self::ShardName { .. }
                | Self::Safetensors { .. }
                | Self::Gguf { .. }
                | Self::MissingTensor { .. }
                | Self::TensorTwice { .. }
                | Self::TensorShape { .. }
                | Self::TensorType { .. }
                | Self::Modules { .. }
                | Self::Pooling { .. }
                | Self::Tokenizer { .. }
        )
    }
}

/// The result of every function of this crate.
pub(crate) type Result<T> = std::result::Result<T, ModelError>;

/// `message` on one line. serde quotes an unknown key or variant as the file has it, with line breaks.
pub(crate) fn one_line(message: impl ToString) -> String {
    let text = message.to_string();
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line of a candle error, which may have a backtrace appended.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
