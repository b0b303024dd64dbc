//! One session's stream on a thread of its own: a run with frames from the server and events to the
//! server.

use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use prospect_config::{Origin, Settings};
use prospect_engine::{SmolVlmStreams, StreamInput, StreamPosition};
use prospect_evaluation::annotations::Annotations;
use prospect_journal::{JournalError, TracePosition, TraceSink, TraceWriter};
use prospect_server::{
    LiveStream, OpenError, OpenRequest, PUSHED_FRAMES, StreamFrames, StreamPosition as Position,
    StreamWatcher, WatchedSource, watched_frames,
};
use prospect_session::{Event, OpeningTexts, Words};
use prospect_source::{InputOptions, StopSignal};

use super::asked::{Asked, adjustment};
use super::refusal::refusal;
use super::shared::SharedModel;
use crate::display::Silent;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::run::{self, Keeping, OpenSource, RunInputs, Way};
use crate::suspend::{Keeper, threshold_and_strategy, trace_in};

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
    request: OpenRequest,
}

/// The handle of a session's thread.
pub(super) struct SessionStream {
    input: StreamInput<SmolVlmStreams>,
    interrupt: Interrupt,
    shared: Arc<SharedModel>,
    asked: Asked,
    /// The present settings.
    settings: Mutex<Settings>,
    thread: Mutex<Option<JoinHandle<Option<RunError>>>>,
}

impl SessionStream {
    /// Starts the thread, and waits until its stream is open.
    pub(super) fn start(driven: Driven) -> Result<Self, OpenError> {
        let interrupt = Interrupt::default();
        let (opened, answer) = channel();
        let own = interrupt.clone();
        let Driven { shared, asked, settings, annotations, request } = driven;
        let session =
            SessionThread { shared: Arc::clone(&shared), settings: settings.clone(), annotations, request };
        let thread = std::thread::Builder::new()
            .name("session".to_owned())
            .spawn(move || session.run(&own, &opened))
            .map_err(|error| OpenError::Failed(format!("no thread for the session: {error}")))?;
        let gone = || OpenError::Failed("the session's thread has gone".to_owned());
        match answer.recv().unwrap_or_else(|_| Err(gone())) {
            Ok(input) => {
                let (settings, thread) = (Mutex::new(settings), Mutex::new(Some(thread)));
                Ok(Self { input, interrupt, shared, asked, settings, thread })
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the stream before its next frame, which suspends it, and waits for that. Returns why it
    /// ended.
    fn end(&self) -> Option<RunError> {
        self.interrupt.give();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
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

    fn set_opening(&self, opening: OpeningTexts) -> Result<(), OpenError> {
        self.input.set_opening(opening).map_err(|error| refusal(&error.into()))
    }

    fn change_settings(&self, asked: &[(String, String)]) -> Result<(), OpenError> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = || {
            let changed = self.asked.settings(&self.shared, asked)?;
            let adjustment = adjustment(&self.shared, &settings, &changed)?;
            if !adjustment.settings.is_empty() {
                self.input.adjust(adjustment)?;
            }
            *settings = changed;
            Ok(())
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
        let failure = self.stream(interrupt, opened, &ending.is_open).err();
        match &failure {
            Some(error) if !ending.is_open.get() => {
                // The caller may have gone away.
                let _ = opened.send(Err(refusal(error)));
            }
            failure => ending.tell(failure.as_ref().map(ToString::to_string)),
        }
        failure
    }

    fn stream(self, interrupt: &Interrupt, opened: &Opened, is_open: &Cell<bool>) -> Result<(), RunError> {
        let Self { shared, settings, annotations, request } = self;
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
                .with_changes_of(threshold_and_strategy);
        let suspended = resume.then(|| keeper.suspended()).transpose()?;
        let trace = trace_in(&folder, suspended.as_ref())?;
        let (goes_on, strategy) = (Arc::clone(&watcher), settings.context.strategy.name().to_owned());
        let mut trace = Watched { trace, watcher, interrupt: interrupt.clone() };
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
    fn tell(&self, failure: Option<String>) {
        self.is_open.set(false);
        self.watcher.ended(failure);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.is_open.get() {
            self.watcher.ended(Some("the session's thread has failed".to_owned()));
        }
    }
}

/// A trace whose events also go to the readers of a session.
struct Watched {
    trace: TraceWriter,
    watcher: Arc<dyn StreamWatcher>,
    interrupt: Interrupt,
}

impl TraceSink for Watched {
    /// The events that close a suspended stream's trace are cut off when it resumes, so readers do not
    /// get them.
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
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
