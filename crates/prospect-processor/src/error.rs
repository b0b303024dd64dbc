//! What can be wrong with a checkpoint folder or with the input.

use std::path::PathBuf;

use prospect_foreign::short_line;

/// A checkpoint folder that cannot be used, or input that cannot be encoded. Every message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// A file that has no substitute is not there.
    #[error("{}: file is missing, expected {expected}", path.display())]
    MissingFile {
        /// The file looked for.
        path: PathBuf,
        /// What it should have held.
        expected: &'static str,
    },
    /// A file is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold JSON.
    #[error("{}: not valid JSON: {}", path.display(), short_line(source))]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// A key is absent that has no default.
    #[error("{}: key `{key}` is missing, expected {expected}", path.display())]
    MissingKey {
        /// The file that should have had it.
        path: PathBuf,
        /// The key, with dots between levels.
        key: String,
        /// What it should have held.
        expected: &'static str,
    },
    /// A key holds something else than it should.
    #[error("{}: key `{key}` is {found}, expected {expected}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The key, with dots between levels.
        key: String,
        /// The value found.
        found: String,
        /// What it should have held.
        expected: &'static str,
    },
    /// The tokenizer file is no tokenizer.
    #[error("{}: not a tokenizer: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        message: String,
    },
    /// The tokenizer lacks a token that image and text sequences are made of.
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
        /// What the template engine said, on one line.
        message: String,
    },
    /// A chat template that is longer than any that a checkpoint has.
    #[error("{}: the chat template has {bytes} bytes: expected at most {most}", path.display())]
    TemplateTooLong {
        /// The file the template came from.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// A chat template that works on and on, or makes texts without end.
    #[error("{}: the chat template works without end: expected at most {most} steps or units of 64 bytes", path.display())]
    TemplateEndless {
        /// The file the template came from.
        path: PathBuf,
        /// The limit, in the template engine's units.
        most: u64,
    },
    /// A chat template that does not end.
    #[error("{}: the chat template has not ended after {seconds} s", path.display())]
    TemplateSlow {
        /// The file the template came from.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A chat template that makes more of messages than anybody reads.
    #[error("{}: the chat template makes {bytes} bytes of these messages: expected at most {most}", path.display())]
    RenderedTooLong {
        /// The file the template came from.
        path: PathBuf,
        /// What it makes.
        bytes: usize,
        /// The limit, for these messages.
        most: usize,
    },
    /// A person's text with the name of a special token in it, which the template changed beyond recognition.
    #[error(
        "chat template: it rewrites the text {text:?}, which names a special token: expected it as it is"
    )]
    TextRewritten {
        /// The beginning of the text.
        text: String,
    },
    /// A tokenizer that makes texts many times as long before it cuts them.
    #[error("{}: {part} makes a text up to {factor} times as long: expected at most {most} times", path.display())]
    TokenizerGrowth {
        /// The tokenizer file.
        path: PathBuf,
        /// The part of the file.
        part: &'static str,
        /// How many times.
        factor: u64,
        /// The limit.
        most: u64,
    },
    /// The chat template rewrites earlier messages when one is added, so that messages cannot be told apart.
    #[error(
        "chat template: message {message} changes what is rendered before it, expected messages to be appended"
    )]
    TemplateNotIncremental {
        /// The message, counted from 0.
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
    /// An image that the settings cut into more tiles than any model looks at.
    #[error("image becomes {tiles} tiles of {tokens} tokens in all, expected at most {most} tokens")]
    TooManyTiles {
        /// The tiles.
        tiles: usize,
        /// Their tokens.
        tokens: usize,
        /// The limit.
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
    /// Placeholders in the rendered text and the media of the messages do not match.
    #[error(
        "text holds {found} {} placeholders, expected {expected}, one for each of the messages' media",
        short_line(token)
    )]
    MediaMismatch {
        /// The placeholder.
        token: String,
        /// How many the rendered text has.
        found: usize,
        /// How many the messages' media ask for.
        expected: usize,
    },
    /// The tokenizer cannot encode or decode.
    #[error("tokenizer fails: {message}")]
    Encode {
        /// What the tokenizer library said.
        message: String,
    },
}

/// A result with this crate's error.
pub(crate) type Result<T> = std::result::Result<T, ProcessorError>;
