//! Errors of a checkpoint folder's files and of the input.

use std::path::PathBuf;

use prospect_foreign::short_line;

/// Why a checkpoint folder cannot be used or an input cannot be encoded. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// A required file does not exist.
    #[error("{}: file is missing, expected {expected}", path.display())]
    MissingFile {
        /// The missing file.
        path: PathBuf,
        /// What the file should contain.
        expected: &'static str,
    },
    /// A file exists but cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file does not hold JSON.
    #[error("{}: not valid JSON: {}", path.display(), short_line(source))]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's error, with its place.
        source: serde_json::Error,
    },
    /// A key without a default is missing.
    #[error("{}: key `{key}` is missing, expected {expected}", path.display())]
    MissingKey {
        /// The file that should have the key.
        path: PathBuf,
        /// The key, with dots between levels.
        key: String,
        /// What the key should contain.
        expected: &'static str,
    },
    /// A key has a wrong value.
    #[error("{}: key `{key}` is {found}, expected {expected}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The key, with dots between levels.
        key: String,
        /// The value found.
        found: String,
        /// What the key should contain.
        expected: &'static str,
    },
    /// The tokenizer library cannot load the tokenizer file.
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The library's message.
        message: String,
    },
    /// The tokenizer lacks a special token that image and text sequences need.
    #[error("{}: token `{}` is missing, expected it among added_tokens", path.display(), short_line(token))]
    MissingToken {
        /// The tokenizer file.
        path: PathBuf,
        /// The token.
        token: String,
    },
    /// The chat template does not parse or does not render.
    #[error("{}: chat template fails: {message}", path.display())]
    Template {
        /// The file the template came from.
        path: PathBuf,
        /// The template engine's message, on one line.
        message: String,
    },
    /// The source of the chat template is too long.
    #[error("{}: the chat template has {bytes} bytes: expected at most {most}", path.display())]
    TemplateTooLong {
        /// The file the template came from.
        path: PathBuf,
        /// Length in bytes.
        bytes: usize,
        /// Limit in bytes.
        most: usize,
    },
    /// Rendering the chat template takes too many steps, or produces too much text.
    #[error("{}: the chat template works without end: expected at most {most} steps or units of 64 bytes", path.display())]
    TemplateEndless {
        /// The file the template came from.
        path: PathBuf,
        /// The limit, in the template engine's units.
        most: u64,
    },
    /// Rendering the chat template takes too long.
    #[error("{}: the chat template has not ended after {seconds} s", path.display())]
    TemplateSlow {
        /// The file the template came from.
        path: PathBuf,
        /// Time limit in seconds.
        seconds: u64,
    },
    /// The rendered text is too long for these messages.
    #[error("{}: the chat template makes {bytes} bytes of these messages: expected at most {most}", path.display())]
    RenderedTooLong {
        /// The file the template came from.
        path: PathBuf,
        /// Length of the rendered text, in bytes.
        bytes: usize,
        /// Limit for these messages, in bytes.
        most: usize,
    },
    /// The template changes a message's text that contains the name of a special token, so that the
    /// text cannot be found in the output.
    #[error(
        "chat template: it rewrites the text {text:?}, which names a special token: expected it as it is"
    )]
    TextRewritten {
        /// The beginning of the text.
        text: String,
    },
    /// The tokenizer could make a text many times longer.
    #[error("{}: {part} makes a text up to {factor} times as long: expected at most {most} times", path.display())]
    TokenizerGrowth {
        /// The tokenizer file.
        path: PathBuf,
        /// The part of the file that does so.
        part: &'static str,
        /// The factor by which a text can grow.
        factor: u64,
        /// Limit of the factor.
        most: u64,
    },
    /// The chat template changes earlier messages when one is appended. The output can then not be cut
    /// into messages.
    #[error(
        "chat template: message {message} changes what is rendered before it, expected messages to be appended"
    )]
    TemplateNotIncremental {
        /// Index of the message, from 0.
        message: usize,
    },
    /// A chat template whose user messages cannot grow frame by frame.
    #[error(
        "chat template: a user's message cannot be opened before all of it is known: {problem}; expected the parts of a message one after the other (stream.frames_in = \"between_turns\" needs no such template)"
    )]
    NoOpenTurn {
        /// What it does instead.
        problem: &'static str,
    },
    /// An image without pixels.
    #[error("image is {width}x{height}, expected at least 1x1")]
    EmptyImage {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The settings cut an image into too many tiles.
    #[error("image becomes {tiles} tiles of {tokens} tokens in all, expected at most {most} tokens")]
    TooManyTiles {
        /// Number of tiles.
        tiles: usize,
        /// Number of image tokens.
        tokens: usize,
        /// Limit of the tokens.
        most: usize,
    },
    /// A video without frames.
    #[error("video has no frames, expected at least one")]
    EmptyVideo,
    /// A time that is negative or not a number.
    #[error("time is {seconds} s, expected a finite number of seconds, at least 0")]
    BadTime {
        /// The time, in seconds.
        seconds: f64,
    },
    /// The placeholders in the rendered text do not match the media of the messages.
    #[error(
        "text holds {found} {} placeholders, expected {expected}, one for each of the messages' media",
        short_line(token)
    )]
    MediaMismatch {
        /// The placeholder.
        token: String,
        /// Number of placeholders in the rendered text.
        found: usize,
        /// Number of media in the messages.
        expected: usize,
    },
    /// The tokenizer library fails to encode or decode.
    #[error("tokenizer fails: {message}")]
    Encode {
        /// The library's message.
        message: String,
    },
}

/// A result with this crate's error.
pub(crate) type Result<T> = std::result::Result<T, ProcessorError>;
