//! One session's stream on a thread of its own: a run with frames from the server and events to the
//! server.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, current};

use prospect_config::{Origin, Settings};
use prospect_engine::{Adjustment, SmolVlmStreams, StreamInput, StreamPosition};
use prospect_evaluation::annotations::Annotations;
use prospect_journal::{JournalError, TracePosition, TraceSink, TraceWriter};
use prospect_server::{
    LiveStream, OpenError, OpenRequest, PUSHED_FRAMES, StreamChange, StreamEnd, StreamFrames,
    StreamPosition as Position, StreamWatcher, WatchedSource, watched_frames,
};
use prospect_session::{Event, OpeningTexts, SessionOptions, Words};
use prospect_source::{InputOptions, StopSignal};

use super::asked::{Asked, adjustment};
use super::refusal::{refusal, refusal_in, without_folder};
use super::shared::SharedModel;
use crate::display::Silent;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::run::{self, Keeping, OpenSource, RunInputs, Way};
use crate::suspend::{Keeper, threshold_strategy_and_prompt, trace_in};

/// Name of the suspended stream's file in its session's folder.
const STREAM_FILE: &str = "stream";

/// Everything that a session needs.
pub(super) struct Driven {
    pub(super) shared: Arc<SharedModel>,
    pub(super) asked: Asked,
    pub(super) settings: Settings,
    pub(super) annotations: Annotations,
    pub(super) request: OpenRequest,
}

/// The data of the session's thread.
struct SessionThread {
    shared: Arc<SharedModel>,
    settings: Settings,
    annotations: Annotations,
    /// The prompts of the stream, also of one that was suspended with others.
    opening: OpeningTexts,
    request: OpenRequest,
}

/// The handle of a session's thread.
pub(super) struct SessionStream {
    input: StreamInput<SmolVlmStreams>,
    interrupt: Interrupt,
    shared: Arc<SharedModel>,
    asked: Asked,
    present: Mutex<Present>,
    thread: Mutex<Option<JoinHandle<Option<RunError>>>>,
}

/// The present settings and prompts of a stream.
struct Present {
    settings: Settings,
    opening: OpeningTexts,
}

impl SessionStream {
    /// Starts the thread, and waits until its stream is open.
    pub(super) fn start(driven: Driven) -> Result<Self, OpenError> {
        let interrupt = Interrupt::default();
        let (opened, answer) = channel();
        let own = interrupt.clone();
        let Driven { shared, asked, settings, annotations, request } = driven;
        let opening = SessionOptions::new(&settings, annotations.guidance()).opening;
        let present = Present { settings: settings.clone(), opening: opening.clone() };
        let session = SessionThread { shared: Arc::clone(&shared), settings, annotations, opening, request };
        let thread = std::thread::Builder::new()
            .name("session".to_owned())
            .spawn(move || session.run(&own, &opened))
            .map_err(|error| OpenError::Failed(format!("no thread for the session: {error}")))?;
        let gone = || OpenError::Failed("the session's thread has gone".to_owned());
        match answer.recv().unwrap_or_else(|_| Err(gone())) {
            Ok(input) => {
                let (present, thread) = (Mutex::new(present), Mutex::new(Some(thread)));
                Ok(Self { input, interrupt, shared, asked, present, thread })
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the stream before its next frame, which suspends it, and waits for that. Returns why it
    /// ended.
    fn end(&self) -> Option<RunError> {
        self.interrupt.give();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The thread itself may drop the last handle. It cannot wait for its own end.
        let thread = thread.filter(|thread| thread.thread().id() != current().id());
        // A panic was already reported by the thread.
        thread?.join().ok()?
    }
}

impl Drop for SessionStream {
    fn drop(&mut self) {
        self.end();
    }
}

impl LiveStream for SessionStream {
    fn say(&self, text: &str) -> Result<(), OpenError> {
        self.input.say(text).map_err(|error| refusal(&error.into()))
    }

    fn change(&self, change: StreamChange) -> Result<String, OpenError> {
        let StreamChange { settings: asked, system_prompt, task_knowledge } = change;
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let before = present.opening.clone();
        let opening = OpeningTexts {
            system_prompt: system_prompt.unwrap_or(before.system_prompt),
            task_knowledge: task_knowledge.or(before.task_knowledge),
        };
        let mut change = || {
            let settings = self.asked.settings(&self.shared, &asked)?;
            let adjustment = adjustment(&self.shared, &present.settings, &settings)?;
            match adjustment.settings.is_empty() {
                // Prompts alone need not wait for the end of the present frame.
                true => self.input.set_opening(opening.clone())?,
                false => {
                    self.input.adjust(Adjustment { opening: Some(opening.clone()), ..adjustment })?;
                }
            }
            let strategy = settings.context.strategy.name().to_owned();
            *present = Present { settings, opening: opening.clone() };
            Ok(strategy)
        };
        change().map_err(|error: RunError| refusal(&error))
    }

    fn begin_to_suspend(&self) {
        self.interrupt.give();
    }

    fn suspend(&self) -> Result<(), OpenError> {
        match self.end() {
            Some(RunError::Interrupted) => Ok(()),
            Some(error) => Err(refusal(&error)),
            None => Err(OpenError::Over("the session has come to its end".to_owned())),
        }
    }
}

type Opened = Sender<Result<StreamInput<SmolVlmStreams>, OpenError>>;

impl SessionThread {
    /// Runs the thread. The caller that waits for the stream gets one answer: the stream's handle, or
    /// why there is none. The watcher is not told about the end of a stream that was never open.
    fn run(self, interrupt: &Interrupt, opened: &Opened) -> Option<RunError> {
        let ending = Ending { watcher: Arc::clone(&self.request.watcher), is_open: Cell::new(false) };
        let folder = self.request.folder.clone();
        let failure = self.stream(interrupt, opened, &ending.is_open).err();
        match &failure {
            Some(error) if !ending.is_open.get() => {
                // The caller may have gone away.
                let _ = opened.send(Err(refusal_in(error, &folder)));
            }
            None => ending.tell(StreamEnd::Over),
            Some(RunError::Interrupted) => ending.tell(StreamEnd::Suspended),
            Some(error) => ending.tell(StreamEnd::Failed(without_folder(&error.to_string(), &folder))),
        }
        failure
    }

    fn stream(self, interrupt: &Interrupt, opened: &Opened, is_open: &Cell<bool>) -> Result<(), RunError> {
        let Self { shared, settings, annotations, opening, request } = self;
        let OpenRequest { frames, folder, resume, watcher, .. } = request;
        let (source, open): (String, OpenSource<'_>) = match frames {
            StreamFrames::Pushed(make) => {
                (PUSHED_FRAMES.to_owned(), Box::new(move |behind, stop| Ok(make(behind, stop))))
            }
            StreamFrames::Watched(WatchedSource { address, is_awaited }) => {
                let (settings, to) = (&settings, address.clone());
                let input = if is_awaited { awaited(settings) } else { run::input_options(settings) };
                let open = move |behind, stop: &StopSignal| {
                    run::open_by(settings, &to, InputOptions { behind, ..input }, stop)
                };
                (address, Box::new(open))
            }
        };
        let seen_by = Arc::clone(&watcher);
        let open: OpenSource<'_> =
            Box::new(move |behind, stop| Ok(watched_frames(open(behind, stop)?, &seen_by)));
        let model = &shared.checkpoint.files;
        let keeper =
            Keeper::new(&folder.join(STREAM_FILE), shared.checkpoint_every, &settings, model, &source)?
                .with_changes_of(threshold_strategy_and_prompt);
        let suspended = resume.then(|| keeper.suspended()).transpose()?;
        let trace = trace_in(&folder, suspended.as_ref())?;
        let (goes_on, strategy) = (Arc::clone(&watcher), settings.context.strategy.name().to_owned());
        let mut trace = Watched { trace, watcher, interrupt: interrupt.clone(), folder };
        let inputs = RunInputs {
            settings: &settings,
            strategies: &shared.strategies,
            checkpoint: &shared.checkpoint,
            source: &source,
            annotations: Some(&annotations),
            interrupt,
        };
        let on_open = Box::new(move |input: StreamInput<SmolVlmStreams>| {
            is_open.set(true);
            if resume && let Ok(at) = input.position() {
                let StreamPosition { statistics, cache_tokens, budget } = at;
                let max_seq_len = budget.max_seq_len;
                let at = Position { statistics, cache_tokens, max_seq_len, strategy };
                goes_on.goes_on(&at);
                // The prompts may have changed after the stream was written down.
                if let Err(error) = input.set_opening(opening) {
                    tracing::warn!("a session continues with its former prompts: {error}");
                }
            }
            // The caller may have gone away.
            let _ = opened.send(Ok(input));
        });
        let keeper = Some(&keeper);
        let keeping =
            Keeping { keeper, suspended, tells_words: true, ends_live: false, on_open: Some(on_open) };
        let way = Way { engine: &shared.engine, open };
        run::run_on(way, inputs, keeping, &mut trace, &mut Silent).map(drop)
    }
}

/// Options for a camera that is expected to come: the source is awaited from the beginning, and given
/// up only if the settings say so explicitly.
fn awaited(settings: &Settings) -> InputOptions {
    let mut input = run::input_options(settings);
    input.is_awaited = true;
    if *settings.origin("source.give_up_after") == Origin::Default {
        input.reconnect.give_up_after = None;
    }
    input
}

/// Reports the end of an open stream, even if its thread panics.
struct Ending {
    watcher: Arc<dyn StreamWatcher>,
    is_open: Cell<bool>,
}

impl Ending {
    fn tell(&self, end: StreamEnd) {
        self.is_open.set(false);
        self.watcher.ended(end);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.is_open.get() {
            self.watcher.ended(StreamEnd::Failed("the session's thread has failed".to_owned()));
        }
    }
}

/// A trace whose events also go to the readers of a session.
struct Watched {
    trace: TraceWriter,
    watcher: Arc<dyn StreamWatcher>,
    interrupt: Interrupt,
    /// The folder of the session, of which no event speaks.
    folder: PathBuf,
}

impl TraceSink for Watched {
    /// The events that close a suspended stream's trace are cut off when it resumes, so readers do not
    /// get them.
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        let failed = match event {
            Event::Error { message } => Some(Event::Error { message: without_folder(message, &self.folder) }),
            _ => None,
        };
        let event = failed.as_ref().unwrap_or(event);
        self.trace.record(event)?;
        if matches!(event, Event::Frame { .. }) {
            // A reader that gets a frame's event must find it in the trace.
            self.trace.flush()?;
        }
        let closes = matches!(event, Event::Error { .. } | Event::RunFinished { .. });
        if !(closes && self.interrupt.is_given()) {
            self.watcher.event(event);
        }
        Ok(())
    }

    fn words(&mut self, words: &Words) {
        self.watcher.words(words.frame, &words.text);
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.trace.flush()
    }

    fn position(&mut self) -> Result<TracePosition, JournalError> {
        self.trace.position()
    }
}
