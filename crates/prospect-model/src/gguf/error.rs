//! Errors of a GGUF file.

/// Why a GGUF file cannot be used. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is not a GGUF file.
    #[error("not a GGUF file: expected it to begin with GGUF")]
    Magic,
    /// The file is big-endian.
    #[error("its numbers are big-endian: expected a little-endian file")]
    BigEndian,
    /// The version of the format is not supported.
    #[error("version {version} of the format: expected 2 or 3")]
    Version {
        /// The version.
        version: u32,
    },
    /// The header extends beyond the end of the file.
    #[error("it is cut off within {what}: expected as many bytes as the header claims")]
    Truncated {
        /// The part that was being read.
        what: &'static str,
    },
    /// The header is longer than that of any model.
    #[error("its header is too long: expected at most {most} bytes before the tensors")]
    HeaderTooLong {
        /// Limit in bytes.
        most: u64,
    },
    /// A key or the name of a tensor is too long.
    #[error("a name of {bytes} bytes: expected at most {most}")]
    NameTooLong {
        /// Length in bytes.
        bytes: u64,
        /// Limit in bytes.
        most: u64,
    },
    /// A text is not valid UTF-8.
    #[error("{what} is no UTF-8: expected text")]
    NotText {
        /// What the text is.
        what: &'static str,
    },
    /// A value has an unknown type.
    #[error("{key:?} has a value of type {found}: expected 0 to 12")]
    ValueType {
        /// The key.
        key: String,
        /// The number of the type.
        found: u32,
    },
    /// A boolean is neither 0 nor 1.
    #[error("{key:?} is the truth value {found}: expected 0 or 1")]
    Boolean {
        /// The key.
        key: String,
        /// The byte in the file.
        found: u8,
    },
    /// A value is an array of arrays.
    #[error("{key:?} is an array of arrays: expected numbers or texts")]
    NestedArray {
        /// The key.
        key: String,
    },
    /// A key occurs twice.
    #[error("{key:?} is there twice: expected each key once")]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// A required key is missing.
    #[error("{key} is missing: expected {expected}")]
    KeyMissing {
        /// The key.
        key: String,
        /// What it should contain.
        expected: &'static str,
    },
    /// A key has a wrong value.
    #[error("{key} is {found}: expected {expected}")]
    Key {
        /// The key.
        key: String,
        /// The value, shortened.
        found: String,
        /// What would be valid.
        expected: String,
    },
    /// The alignment is invalid.
    #[error("general.alignment is {found}: expected a multiple of 8 up to 65536")]
    Alignment {
        /// The alignment in the file.
        found: String,
    },
    /// A tensor has no dimensions, or too many.
    #[error("tensor {tensor:?} has {found} dimensions: expected 1 to 4")]
    Dimensions {
        /// Name of the tensor.
        tensor: String,
        /// Number of dimensions.
        found: u32,
    },
    /// A tensor has no values, or too many.
    #[error("tensor {tensor:?} has the dimensions {found:?}: expected sizes of a tensor in this file")]
    TensorSize {
        /// Name of the tensor.
        tensor: String,
        /// Dimensions in the order of the file.
        found: Vec<u64>,
    },
    /// The format of a tensor is not supported.
    #[error("tensor {tensor:?} has the GGML type {found}: expected one of {expected}")]
    TensorType {
        /// Name of the tensor.
        tensor: String,
        /// Number of the format.
        found: u32,
        /// Names of the supported formats.
        expected: String,
    },
    /// The rows of a tensor are not whole blocks.
    #[error(
        "tensor {tensor:?} has rows of {row} values: expected a multiple of {block}, as {block_type} has it"
    )]
    Blocks {
        /// Name of the tensor.
        tensor: String,
        /// Number of values in a row.
        row: u64,
        /// Number of values in a block.
        block: u64,
        /// Name of the format.
        block_type: &'static str,
    },
    /// A tensor does not begin at the file's alignment.
    #[error("tensor {tensor:?} begins at {offset}: expected a multiple of {alignment}")]
    Offset {
        /// Name of the tensor.
        tensor: String,
        /// Its first byte, relative to the first tensor.
        offset: u64,
        /// The file's alignment, in bytes.
        alignment: u64,
    },
    /// A tensor extends beyond the end of the file.
    #[error("tensor {tensor:?} ends at byte {end} of a file of {length}: expected a whole file")]
    OutsideFile {
        /// Name of the tensor.
        tensor: String,
        /// Byte at which it ends.
        end: u64,
        /// Length of the file in bytes.
        length: u64,
    },
    /// Two tensors overlap.
    #[error("tensors {tensor:?} and {other:?} overlap: expected bytes of its own for each")]
    Overlap {
        /// The tensor that begins later.
        tensor: String,
        /// The tensor in which it begins.
        other: String,
    },
    /// A tensor occurs twice.
    #[error("tensor {tensor:?} is there twice: expected each once")]
    TensorTwice {
        /// Name of the tensor.
        tensor: String,
    },
    /// The file has a tensor of another kind of model.
    #[error("it has the tensor {tensor}: expected {expected}")]
    ForeignTensor {
        /// Name of the tensor.
        tensor: &'static str,
        /// What is supported instead.
        expected: &'static str,
    },
    /// The file is one part of a split model.
    #[error(
        "it is one of {parts} parts of a model: expected one file (`llama-gguf-split --merge` of llama.cpp joins them)"
    )]
    Split {
        /// Number of parts.
        parts: usize,
    },
    /// A token occurs twice in the vocabulary.
    #[error("tokenizer.ggml.tokens has the token {token:?} twice: expected each once")]
    TokenTwice {
        /// The token's text.
        token: String,
    },
    /// A token has an unknown kind.
    #[error("tokenizer.ggml.token_type of token {id} is {found}: expected 1 to 6")]
    TokenKind {
        /// Id of the token.
        id: usize,
        /// Number of the kind.
        found: i128,
    },
    /// The numbers of kinds and of tokens differ.
    #[error("tokenizer.ggml.token_type has {found} entries: expected {expected}, one for each token")]
    TokenKinds {
        /// Number of kinds.
        found: usize,
        /// Number of tokens.
        expected: usize,
    },
    /// A merge is not a pair of tokens.
    #[error("tokenizer.ggml.merges has {found:?} at {index}: expected two tokens with a blank between them")]
    Merge {
        /// Index of the merge.
        index: usize,
        /// The entry, shortened.
        found: String,
    },
    /// A special token of every SmolVLM is missing.
    #[error("the vocabulary lacks the token {token}: expected the text model of a SmolVLM")]
    Token {
        /// The token's text.
        token: &'static str,
    },
}
