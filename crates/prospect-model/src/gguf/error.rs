//! What can be wrong with a GGUF file.

/// Why a file is no GGUF file, or none of a SmolVLM. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// A file of another kind.
    #[error("not a GGUF file: expected it to begin with GGUF")]
    Magic,
    /// A file whose numbers have their highest byte first.
    #[error("its numbers are big-endian: expected a little-endian file")]
    BigEndian,
    /// A version of the format that is not read.
    #[error("version {version} of the format: expected 2 or 3")]
    Version {
        /// The version.
        version: u32,
    },
    /// A header that goes on behind the end of the file.
    #[error("it is cut off within {what}: expected as many bytes as the header claims")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// A header that no model has.
    #[error("its header is too long: expected at most {most} bytes before the tensors")]
    HeaderTooLong {
        /// The limit.
        most: u64,
    },
    /// A key or a tensor's name that is too long.
    #[error("a name of {bytes} bytes: expected at most {most}")]
    NameTooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A text that is none.
    #[error("{what} is no UTF-8: expected text")]
    NotText {
        /// What it should be.
        what: &'static str,
    },
    /// A value of a type that the format does not have.
    #[error("{key:?} has a value of type {found}: expected 0 to 12")]
    ValueType {
        /// The key.
        key: String,
        /// The type.
        found: u32,
    },
    /// A truth value that is neither true nor false.
    #[error("{key:?} is the truth value {found}: expected 0 or 1")]
    Boolean {
        /// The key.
        key: String,
        /// The byte.
        found: u8,
    },
    /// An array of arrays.
    #[error("{key:?} is an array of arrays: expected numbers or texts")]
    NestedArray {
        /// The key.
        key: String,
    },
    /// A key that is there twice.
    #[error("{key:?} is there twice: expected each key once")]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// A key that the model needs.
    #[error("{key} is missing: expected {expected}")]
    KeyMissing {
        /// The key.
        key: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A key that holds something else than it should.
    #[error("{key} is {found}: expected {expected}")]
    Key {
        /// The key.
        key: String,
        /// Its value, shortened.
        found: String,
        /// What would be valid.
        expected: String,
    },
    /// An alignment that cannot be meant.
    #[error("general.alignment is {found}: expected a multiple of 8 up to 65536")]
    Alignment {
        /// The alignment.
        found: String,
    },
    /// A tensor of no or too many dimensions.
    #[error("tensor {tensor:?} has {found} dimensions: expected 1 to 4")]
    Dimensions {
        /// The tensor.
        tensor: String,
        /// Its dimensions.
        found: u32,
    },
    /// A tensor without values, or with more than can be counted.
    #[error("tensor {tensor:?} has the dimensions {found:?}: expected sizes of a tensor in this file")]
    TensorSize {
        /// The tensor.
        tensor: String,
        /// Its dimensions, as in the file.
        found: Vec<u64>,
    },
    /// A tensor in a format that is not read.
    #[error("tensor {tensor:?} has the GGML type {found}: expected one of {expected}")]
    TensorType {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: u32,
        /// The types that are read.
        expected: String,
    },
    /// A tensor whose rows are not made of blocks.
    #[error(
        "tensor {tensor:?} has rows of {row} values: expected a multiple of {block}, as {block_type} has it"
    )]
    Blocks {
        /// The tensor.
        tensor: String,
        /// Values of a row.
        row: u64,
        /// Values of a block.
        block: u64,
        /// The type.
        block_type: &'static str,
    },
    /// A tensor that begins anywhere.
    #[error("tensor {tensor:?} begins at {offset}: expected a multiple of {alignment}")]
    Offset {
        /// The tensor.
        tensor: String,
        /// Where it begins, counted from the first one.
        offset: u64,
        /// The file's alignment.
        alignment: u64,
    },
    /// A tensor that goes on behind the end of the file.
    #[error("tensor {tensor:?} ends at byte {end} of a file of {length}: expected a whole file")]
    OutsideFile {
        /// The tensor.
        tensor: String,
        /// Where it ends.
        end: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// A tensor that begins within another one.
    #[error("tensors {tensor:?} and {other:?} overlap: expected bytes of its own for each")]
    Overlap {
        /// The one that begins later.
        tensor: String,
        /// The one that it begins in.
        other: String,
    },
    /// A tensor that is there twice.
    #[error("tensor {tensor:?} is there twice: expected each once")]
    TensorTwice {
        /// The tensor.
        tensor: String,
    },
    /// A tensor that only models of another kind have.
    #[error("it has the tensor {tensor}: expected {expected}")]
    ForeignTensor {
        /// The tensor.
        tensor: &'static str,
        /// What is computed instead.
        expected: &'static str,
    },
    /// A part of a model that was split.
    #[error(
        "it is one of {parts} parts of a model: expected one file (`llama-gguf-split --merge` of llama.cpp joins them)"
    )]
    Split {
        /// How many there are.
        parts: usize,
    },
    /// A token that is in the vocabulary twice.
    #[error("tokenizer.ggml.tokens has the token {token:?} twice: expected each once")]
    TokenTwice {
        /// The token.
        token: String,
    },
    /// A token of no known kind.
    #[error("tokenizer.ggml.token_type of token {id} is {found}: expected 1 to 6")]
    TokenKind {
        /// The token.
        id: usize,
        /// Its kind.
        found: i128,
    },
    /// Kinds of other tokens than there are.
    #[error("tokenizer.ggml.token_type has {found} entries: expected {expected}, one for each token")]
    TokenKinds {
        /// Kinds.
        found: usize,
        /// Tokens.
        expected: usize,
    },
    /// A merge that is no pair.
    #[error("tokenizer.ggml.merges has {found:?} at {index}: expected two tokens with a blank between them")]
    Merge {
        /// Its place.
        index: usize,
        /// The entry, shortened.
        found: String,
    },
    /// A token that stands for something in every SmolVLM.
    #[error("the vocabulary lacks the token {token}: expected the text model of a SmolVLM")]
    Token {
        /// The token.
        token: &'static str,
    },
}
