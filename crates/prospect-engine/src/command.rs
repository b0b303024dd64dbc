//! The commands that the handles of an engine send to its thread.

use std::sync::mpsc::Sender;

use prospect_session::{Aside, FrameInput, OpeningTexts, RunStatistics};

use crate::adjustment::Adjustment;
use crate::error::EngineError;
use crate::load::Waiting;
use crate::output::{Output, StreamPosition, SuspendedParts};
use crate::served::Heard;
use crate::setup::StreamSetup;
use crate::stream_model::StreamModel;

/// A function that saves a stream. It runs on the engine's thread.
pub(crate) type Suspending = Box<dyn FnOnce(Result<SuspendedParts<'_>, EngineError>) + Send>;

pub(crate) enum Command<M: StreamModel> {
    Open { setup: Box<StreamSetup>, outputs: Sender<Output>, opened: Sender<Result<usize, EngineError>> },
    Frame { stream: usize, input: Box<FrameInput>, picture: M::PreparedPicture, waiting: Waiting },
    Say { stream: usize, text: String, heard: Sender<Result<(), EngineError>> },
    Opening { stream: usize, opening: OpeningTexts, heard: Sender<Result<(), EngineError>> },
    Adjust { stream: usize, adjustment: Box<Adjustment>, heard: Heard },
    Look { stream: usize, seen: Sender<StreamPosition> },
    CutReply { stream: usize, cut: Sender<Result<bool, EngineError>> },
    Aside { stream: usize, aside: Aside },
    Suspend { stream: usize, write: Suspending },
    Finish { stream: usize, failure: Option<String>, finished: Sender<RunStatistics> },
    Close { stream: usize },
}
