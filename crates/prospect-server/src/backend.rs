//! What the server opens streams on: the binary has the real one, tests have a fake.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use prospect_context::Role;
use prospect_session::{Event, OpeningTexts, RunStatistics};
use prospect_source::{Behind, Frame, FrameSource, StopSignal};

/// Opens streams on one model.
pub trait Backend: Send + Sync + 'static {
    /// What the model is called.
    fn model(&self) -> &str;

    /// What the page offers.
    fn about(&self) -> About;

    /// Opens a stream, which runs on threads of its own until its frames end or it is stopped.
    ///
    /// # Errors
    /// Settings that do not hold, and a stream for which there is no room.
    fn open(&self, request: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError>;

    /// Answers a conversation at once, beside all streams; blocks until it is done. `hear` is told the answer as it comes, and says whether
    /// anybody still wants it.
    ///
    /// # Errors
    /// A conversation that the model's template, its positions or its memory have no place for.
    fn answer(&self, chat: &Chat, hear: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError>;

    /// How much is going on.
    fn load(&self) -> Load;
}

/// A stream that is to be opened.
pub struct OpenRequest {
    /// Settings by their keys (`context.max_seq_len`), as text; over those that the server was started with.
    pub settings: Vec<(String, String)>,
    /// What it is told before it begins, where that is not the settings'.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task.
    pub task_knowledge: Option<String>,
    /// Its frames.
    pub frames: StreamFrames,
    /// Where it is written down: its trace, and now and then the stream itself.
    pub folder: PathBuf,
    /// Whether it goes on where it was when it was last written down there.
    pub resume: bool,
    /// Is told what comes of it.
    pub watcher: Arc<dyn StreamWatcher>,
}

/// Makes the source of pushed frames; it ends when it hears the signal.
pub type MakeSource = Box<dyn FnOnce(Behind, &StopSignal) -> Box<dyn FrameSource> + Send>;

/// What a stream of pushed frames is called where it is written down.
pub const PUSHED_FRAMES: &str = "pushed frames";

/// Where frames come from.
pub enum StreamFrames {
    /// From whoever pushes them. `make` is given where the stream goes on, and returns the source.
    Pushed(MakeSource),
    /// From a source that the server may open.
    Watched(WatchedSource),
}

/// A camera, stream or file.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchedSource {
    /// Where it is. May hold a password: it is shown to nobody.
    pub address: String,
    /// Whether it is waited for where it cannot be reached yet.
    pub is_awaited: bool,
}

/// Why a stream cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// What was asked for does not hold.
    #[error("{0}")]
    Refused(String),
    /// There is no room for it now.
    #[error("{0}")]
    NoRoom(String),
    /// It has come to its end.
    #[error("{0}")]
    Over(String),
    /// It cannot be had, whatever is asked for.
    #[error("{0}")]
    Failed(String),
}

/// A stream that was opened. Dropped, it is stopped.
pub trait LiveStream: Send + Sync {
    /// Somebody says something: it goes in with the next frame.
    ///
    /// # Errors
    /// In one line, why not.
    fn say(&self, text: &str) -> Result<(), OpenError>;

    /// Another system prompt, or something else to know of the task.
    ///
    /// # Errors
    /// In one line, why not.
    fn set_opening(&self, opening: OpeningTexts) -> Result<(), OpenError>;

    /// Changes what may change while it goes on: `settings` are all that the session asks for, by their keys.
    ///
    /// # Errors
    /// In one line, why not; nothing is changed then.
    fn change_settings(&self, settings: &[(String, String)]) -> Result<(), OpenError>;

    /// Asks it to come to its end, without waiting for that.
    fn begin_to_suspend(&self);

    /// Has it written down and come to its end, so that it can go on later.
    ///
    /// # Errors
    /// In one line, why it could not be written down.
    fn suspend(&self) -> Result<(), OpenError>;
}

/// Is told what comes of a stream, in order, on the stream's own thread.
pub trait StreamWatcher: Send + Sync {
    /// It goes on where it was when it was written down.
    fn goes_on(&self, at: &StreamPosition);

    /// A line of its trace.
    fn event(&self, event: &Event);

    /// Words of a reply, as they come.
    fn words(&self, frame: usize, text: &str);

    /// A frame was read, and its turn with the model is to come ([`crate::watched_frames`]). Said on the thread that reads frames.
    fn frame(&self, _frame: &Frame) {}

    /// Nothing more comes of it. `failure` says why in one line, if it did not simply come to its end.
    fn ended(&self, failure: Option<String>);
}

/// Where a stream is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamPosition {
    /// Its figures so far.
    pub statistics: RunStatistics,
    /// Tokens in its cache.
    pub cache_tokens: usize,
    /// Most tokens in its cache.
    pub max_seq_len: usize,
    /// Its strategy.
    pub strategy: String,
}

/// What the page offers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Frames a second, where nobody asks for others.
    pub fps: f64,
    /// Strategies by name.
    pub strategies: Vec<String>,
    /// What the first minute shows.
    pub demo: Option<Demo>,
}

/// A video that the model knows to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demo {
    /// An mp4 file.
    pub video: PathBuf,
    /// What the model is told beforehand.
    pub system_prompt: Option<String>,
}

/// A conversation that wants an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// Everything that was said, in order.
    pub messages: Vec<ChatMessage>,
    /// Most tokens of the answer; `None` leaves it to the settings.
    pub max_tokens: Option<usize>,
    /// Settings of sampling by their keys, as text; over those that the server was started with.
    pub settings: Vec<(String, String)>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// Texts and pictures, in order.
    pub parts: Vec<ChatPart>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatPart {
    /// Words.
    Text(String),
    /// A picture.
    Image(Arc<RgbImage>),
    /// A video.
    Video(ChatVideo),
}

/// The frames of a video that a message holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatVideo {
    /// Pictures with their times in seconds, in order.
    pub frames: Vec<(f64, Arc<RgbImage>)>,
    /// Frames a second.
    pub fps: f64,
}

/// What the model answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAnswer {
    /// Tokens of the conversation, pictures included.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub answer_tokens: usize,
    /// Whether it was cut off by its greatest length.
    pub is_cut: bool,
}

/// How much is going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Streams that are open.
    pub streams: usize,
    /// Bytes of their caches.
    pub cache_bytes: u64,
    /// Most bytes that caches may take together.
    pub cache_limit: Option<u64>,
    /// Frames that wait for their turn.
    pub frames_waiting: usize,
}
