//! What can be wrong with a checkpoint or a computation.

use std::path::PathBuf;

use crate::answer::Wanted;
use crate::gguf::GgufError;

/// A failure of the model; its `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the checkpoint that is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A JSON file that lacks a key without default, or holds a value of the wrong type.
    #[error("{}: {}: expected {expected}", path.display(), one_line(source))]
    Config {
        /// The file.
        path: PathBuf,
        /// Which key, and where.
        source: serde_json::Error,
        /// What the file should hold.
        expected: &'static str,
    },
    /// A configuration of another kind of model, or one whose parts do not go together.
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
    /// Weights in a format that is not read.
    #[error(
        "{}: no model.safetensors, but {}: expected weights as safetensors (`model.save_pretrained(folder, safe_serialization=True)` of transformers writes them)",
        folder.display(), one_line(found)
    )]
    ForeignWeights {
        /// The checkpoint.
        folder: PathBuf,
        /// The first file of weights that is there.
        found: String,
    },
    /// A list of shards or modules that leads out of its folder.
    #[error("{}: it names the file {name:?}: expected the name of a file beside it", path.display())]
    ShardName {
        /// The list.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A safetensors file that is truncated or no safetensors file.
    #[error("{}: not a readable safetensors file: {message}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        message: String,
    },
    /// A GGUF file that is damaged, or none of a SmolVLM.
    #[error("{}: {source}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GgufError,
    },
    /// A tensor the architecture needs.
    #[error("{}: tensor {name} is missing: expected shape {expected:?}", folder.display())]
    MissingTensor {
        /// The checkpoint.
        folder: PathBuf,
        /// Its name.
        name: String,
        /// Its shape by config.json.
        expected: Vec<usize>,
    },
    /// A tensor that two files have.
    #[error("{}: tensor {name} is there twice: expected each once", folder.display())]
    TensorTwice {
        /// The checkpoint.
        folder: PathBuf,
        /// Its name.
        name: String,
    },
    /// A tensor whose shape contradicts config.json.
    #[error("{}: tensor {name} has shape {actual:?}: expected {expected:?} by the configuration", folder.display())]
    TensorShape {
        /// The checkpoint.
        folder: PathBuf,
        /// Its name.
        name: String,
        /// Its shape in the file.
        actual: Vec<usize>,
        /// Its shape by config.json.
        expected: Vec<usize>,
    },
    /// A tensor that does not hold weights.
    #[error("{}: tensor {name} has type {actual}: expected F32, BF16 or F16", folder.display())]
    TensorType {
        /// The checkpoint.
        folder: PathBuf,
        /// Its name.
        name: String,
        /// Its type in the file.
        actual: String,
    },
    /// Modules that are not those of a sentence encoder, or that compute something more.
    #[error("{}: the modules are [{modules}]: expected Transformer, Pooling and at most Normalize", path.display())]
    Modules {
        /// The file.
        path: PathBuf,
        /// The modules in their order.
        modules: String,
    },
    /// Another pooling than the mean over the tokens.
    #[error("{}: the pooling is {pooling}: expected mean", path.display())]
    Pooling {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        pooling: String,
    },
    /// A tokenizer file that is no tokenizer.
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        message: String,
    },
    /// A text that the tokenizer has no tokens for.
    #[error("the text cannot be tokenised: {message}")]
    Tokenise {
        /// What the tokenizer library said.
        message: String,
    },
    /// A sentence embedding with a NaN or an infinity in it.
    #[error(
        "the embedding holds {value} at component {component}: expected finite numbers (a damaged checkpoint?)"
    )]
    NonFiniteEmbedding {
        /// The first bad value.
        value: f32,
        /// Its place.
        component: usize,
    },
    /// A chunk without a token; the cache is as before.
    #[error("the chunk holds no token: expected at least one")]
    EmptyChunk,
    /// A chunk that would not fit; the cache is as before.
    #[error("{incoming} tokens do not fit into the cache: {cached} of {capacity} slots are taken")]
    CacheFull {
        /// Tokens about to come in.
        incoming: usize,
        /// Tokens in the cache.
        cached: usize,
        /// Most tokens it holds.
        capacity: usize,
    },
    /// Slots to keep that hold nothing; the cache is as before.
    #[error("slots {start}..{end} cannot be kept: expected a range within the {cached} tokens of the cache")]
    KeepRange {
        /// First slot.
        start: usize,
        /// Slot behind the last one.
        end: usize,
        /// Tokens in the cache.
        cached: usize,
    },
    /// A position the model was not made for.
    #[error("position {position} is past the model's maximum: expected at most {max}")]
    Position {
        /// The position.
        position: usize,
        /// The last one there is.
        max: usize,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is not in the vocabulary: expected less than {vocab_size}")]
    TokenId {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// Image tokens and image embeddings that do not pair up.
    #[error("{image_tokens} image tokens for {embeddings} image embeddings: expected as many")]
    ImageTokens {
        /// Image tokens among the ids.
        image_tokens: usize,
        /// Rows of image embeddings.
        embeddings: usize,
    },
    /// Precomputed image embeddings that are no whole rows.
    #[error("{values} values of image embeddings: expected a multiple of the hidden size, {hidden_size}")]
    ImageValues {
        /// Values given.
        values: usize,
        /// Values of one image token.
        hidden_size: usize,
    },
    /// Pixels that are no whole number of frames of the size the vision tower takes.
    #[error(
        "{values} pixel values for {tiles} tiles of 3x{height}x{width}: expected at least one tile of 3x{side}x{side} and as many values"
    )]
    Pixels {
        /// Values given.
        values: usize,
        /// Tiles.
        tiles: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Height and width by config.json.
        side: usize,
    },
    /// Logits with a NaN or an infinity in them; the cache is as before the chunk.
    #[error("the logits hold {value} at token {token}: expected finite numbers (a damaged checkpoint?)")]
    NonFiniteLogits {
        /// The first bad value.
        value: f32,
        /// Its token id.
        token: usize,
    },
    /// A GPU that this build or this machine does not have.
    #[error("{problem}")]
    Gpu {
        /// What is missing.
        problem: String,
    },
    /// A type or a precision that the device does not compute in.
    #[error("{what} is not computed: expected {expected}")]
    Unsupported {
        /// What is asked for.
        what: &'static str,
        /// What is there.
        expected: &'static str,
    },
    /// Threads that the system does not give.
    #[error("threads to compute with: {message}: expected a system that gives them")]
    Threads {
        /// What it said.
        message: String,
    },
    /// A failure inside the tensor library.
    #[error("tensor library: {}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
    /// A linear layer whose input does not fit it, or whose weights cannot be packed.
    #[error(transparent)]
    Linear(#[from] crate::linear::LinearError),
    /// A reply that was given what it does not take.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// Shapes of queries, keys and values that do not fit each other.
    #[error(transparent)]
    Attention(#[from] crate::attention::ShapeError),
}

/// What a reply cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// It is finished.
    #[error("a reply that is finished was given another word: expected none")]
    Finished,
    /// Something else was asked for.
    #[error("a reply was given less than it asked for: expected {wanted:?}")]
    NotEnough {
        /// What it asked for.
        wanted: Wanted,
    },
}

impl ModelError {
    /// Whether the checkpoint is at fault rather than the computation.
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

/// What every function here returns.
pub(crate) type Result<T> = std::result::Result<T, ModelError>;

/// `message` on one line: serde repeats an unknown key or variant as the file has it, line breaks included.
pub(crate) fn one_line(message: impl ToString) -> String {
    let text = message.to_string();
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line of a message: candle appends a backtrace to its own.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
