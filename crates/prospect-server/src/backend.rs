//! The traits through which the server opens and watches streams. The binary implements them with the
//! real model, tests with a fake.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use prospect_context::Role;
use prospect_session::{Event, RunStatistics};
use prospect_source::{Behind, Frame, FrameSource, StopSignal};

/// Opens streams on one model.
pub trait Backend: Send + Sync + 'static {
    /// Name of the model.
    fn model(&self) -> &str;

    /// What the server's page offers.
    fn about(&self) -> About;

    /// Opens a stream. It runs on its own threads until its frames end or it is stopped.
    ///
    /// # Errors
    /// The settings are invalid, or there is no room for the stream.
    fn open(&self, request: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError>;

    /// Answers a conversation at once, independent of all streams. Blocks until the answer is complete.
    /// `hear` gets each piece of the answer as it is generated, and returns whether the client still
    /// wants it.
    ///
    /// # Errors
    /// The conversation does not fit the model's chat template, its positions or its memory.
    fn answer(&self, chat: &Chat, hear: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError>;

    /// A frame of a conversation's video in the size in which the model sees it.
    ///
    /// # Errors
    /// The frame has no pixels.
    fn video_frame(&self, frame: &RgbImage) -> Result<RgbImage, OpenError>;

    /// The present load.
    fn load(&self) -> Load;
}

/// A request to open a stream.
pub struct OpenRequest {
    /// Settings as key (`context.max_seq_len`) and text. They override those with which the server was
    /// started.
    pub settings: Vec<(String, String)>,
    /// The system prompt, if it differs from the settings. A resumed stream changes to it, if it was
    /// written down with another one.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task; the same holds for a resumed stream.
    pub task_knowledge: Option<String>,
    /// The stream's frames.
    pub frames: StreamFrames,
    /// Folder for the stream's files: its trace, and from time to time the suspended stream.
    pub folder: PathBuf,
    /// Whether to resume the stream that is suspended in the folder.
    pub resume: bool,
    /// Receives the stream's events.
    pub watcher: Arc<dyn StreamWatcher>,
}

/// Makes the source of pushed frames. The source ends at the stop signal.
pub type MakeSource = Box<dyn FnOnce(Behind, &StopSignal) -> Box<dyn FrameSource> + Send>;

/// Description of the source of pushed frames, stored with a suspended stream.
pub const PUSHED_FRAMES: &str = "pushed frames";

/// Where a stream's frames come from.
pub enum StreamFrames {
    /// A client pushes them. The function is given the position from which the stream resumes, and
    /// returns the source.
    Pushed(MakeSource),
    /// The server reads them from a source that it may open.
    Watched(WatchedSource),
}

/// A camera, network stream or file.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchedSource {
    /// Address of the source. It may contain a password and must not be shown.
    pub address: String,
    /// Whether to wait for the source if it cannot be reached yet.
    pub is_awaited: bool,
}

/// Why a stream cannot be opened or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The request is invalid.
    #[error("{0}")]
    Refused(String),
    /// There is no room for the stream at the moment.
    #[error("{0}")]
    NoRoom(String),
    /// The stream has ended.
    #[error("{0}")]
    Over(String),
    /// The server failed; no other request would succeed either.
    #[error("{0}")]
    Failed(String),
}

/// An open stream. Dropping it stops it.
pub trait LiveStream: Send + Sync {
    /// Adds a person's message, which the model sees with the next frame.
    ///
    /// # Errors
    /// Why the message is not taken, in one line.
    fn say(&self, text: &str) -> Result<(), OpenError>;

    /// Changes settings and prompts that may change during a stream: all of them, or none. Returns the
    /// name of the context strategy behind the change.
    ///
    /// # Errors
    /// Why the change is not made, in one line; nothing is changed then.
    fn change(&self, change: StreamChange) -> Result<String, OpenError>;

    /// Asks the stream to suspend, without waiting for it.
    fn begin_to_suspend(&self);

    /// Suspends the stream to its folder and ends it, so that it can be resumed later.
    ///
    /// # Errors
    /// Why the stream could not be written, in one line.
    fn suspend(&self) -> Result<(), OpenError>;
}

/// Receives the events of a stream in order, on the stream's own thread.
pub trait StreamWatcher: Send + Sync {
    /// The stream has resumed from this position.
    fn goes_on(&self, at: &StreamPosition);

    /// An event of the stream's trace.
    fn event(&self, event: &Event);

    /// Words of a reply, as they are generated.
    fn words(&self, frame: usize, text: &str);

    /// A frame was read and now waits for the model ([`crate::watched_frames()`]). Called on the thread that reads frames.
    fn frame(&self, _frame: &Frame) {}

    /// The stream has ended.
    fn ended(&self, end: StreamEnd);
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// Its frames came to their end.
    Over,
    /// It was interrupted and written to its folder. It can be resumed.
    Suspended,
    /// It failed, with the reason in one line.
    Failed(String),
}

/// A change of an open stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamChange {
    /// All settings that the session asks for, by key.
    pub settings: Vec<(String, String)>,
    /// The new system prompt; `None` leaves the present one.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task from now on; `None` leaves the present text.
    pub task_knowledge: Option<String>,
}

/// The state of a stream at a position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamPosition {
    /// Figures of the stream so far.
    pub statistics: RunStatistics,
    /// Number of tokens in the cache.
    pub cache_tokens: usize,
    /// Most tokens in the cache.
    pub max_seq_len: usize,
    /// Name of the context strategy.
    pub strategy: String,
}

/// What the server's page offers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Default number of frames per second.
    pub fps: f64,
    /// The longest reply of a session in tokens, unless its order says otherwise.
    pub max_new_tokens: usize,
    /// Names of the context strategies.
    pub strategies: Vec<String>,
    /// The video that the page offers as a demonstration.
    pub demo: Option<Demo>,
}

/// A video on which the model was trained to comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demo {
    /// Path of an mp4 file.
    pub video: PathBuf,
    /// System prompt for this video.
    pub system_prompt: Option<String>,
}

/// A conversation to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// All messages in order.
    pub messages: Vec<ChatMessage>,
    /// Most tokens of the answer; `None` stands for the settings' limit.
    pub max_tokens: Option<usize>,
    /// Sampling settings as key and text. They override those with which the server was started.
    pub settings: Vec<(String, String)>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// The speaker.
    pub role: Role,
    /// Texts and pictures in order.
    pub parts: Vec<ChatPart>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatPart {
    /// Text.
    Text(String),
    /// A picture.
    Image(Arc<RgbImage>),
    /// A video.
    Video(ChatVideo),
}

/// The frames of a video that a message holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatVideo {
    /// Pictures with their times in seconds, in order, as [`Backend::video_frame`] gives them.
    pub frames: Vec<(f64, Arc<RgbImage>)>,
    /// Frames per second.
    pub fps: f64,
}

/// Figures of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAnswer {
    /// Number of tokens of the conversation, pictures included.
    pub prompt_tokens: usize,
    /// Number of tokens of the answer.
    pub answer_tokens: usize,
    /// Whether the answer was cut at the limit of tokens.
    pub is_cut: bool,
}

/// The present load of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Number of open streams.
    pub streams: usize,
    /// Bytes of the streams' caches.
    pub cache_bytes: u64,
    /// Most bytes of all caches together.
    pub cache_limit: Option<u64>,
    /// Number of frames that wait for the model.
    pub frames_waiting: usize,
}
