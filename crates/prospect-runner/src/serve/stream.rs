//! One session's stream on a thread of its own: a run whose frames come from the server and whose events go there.

use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use prospect_config::Settings;
use prospect_engine::{SmolVlmStreams, StreamInput};
use prospect_evaluation::annotations::Annotations;
use prospect_journal::{JournalError, TracePosition, TraceSink, TraceWriter};
use prospect_server::{LiveStream, OpenError, OpenRequest, PUSHED_FRAMES, StreamFrames, StreamWatcher};
use prospect_session::{Event, OpeningTexts, Words};

use super::refusal::refusal;
use super::shared::SharedModel;
use crate::display::Silent;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::run::{self, Keeping, OpenSource, RunInputs, Way};
use crate::suspend::{Keeper, trace_in};

/// The file of a suspended stream in the folder of its session.
const STREAM_FILE: &str = "stream";

/// Everything that a session's thread has.
pub(super) struct Driven {
    pub(super) shared: Arc<SharedModel>,
    pub(super) settings: Settings,
    pub(super) annotations: Annotations,
    pub(super) request: OpenRequest,
}

/// The handle of that thread.
pub(super) struct SessionStream {
    input: StreamInput<SmolVlmStreams>,
    interrupt: Interrupt,
    thread: Mutex<Option<JoinHandle<Option<RunError>>>>,
}

impl SessionStream {
    /// Starts the thread, and waits until its stream is open.
    pub(super) fn start(driven: Driven) -> Result<Self, OpenError> {
        let interrupt = Interrupt::default();
        let (opened, answer) = channel();
        let own = interrupt.clone();
        let thread = std::thread::Builder::new()
            .name("session".to_owned())
            .spawn(move || driven.run(&own, &opened))
            .map_err(|error| OpenError::Failed(format!("no thread for the session: {error}")))?;
        let gone = || OpenError::Failed("the session's thread has gone".to_owned());
        match answer.recv().unwrap_or_else(|_| Err(gone())) {
            Ok(input) => Ok(Self { input, interrupt, thread: Mutex::new(Some(thread)) }),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream before its next frame, which writes it down, and waits for that. Says why it ended.
    fn end(&self) -> Option<RunError> {
        self.interrupt.give();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has told of it.
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

impl Driven {
    /// The thread. Whoever waits for the stream is answered once: with who speaks to it, or why there is none. Of a stream that never
    /// was open nobody is told that it ended.
    fn run(self, interrupt: &Interrupt, opened: &Opened) -> Option<RunError> {
        let ending = Ending { watcher: Arc::clone(&self.request.watcher), is_open: Cell::new(false) };
        let failure = self.stream(interrupt, opened, &ending.is_open).err();
        match &failure {
            Some(error) if !ending.is_open.get() => {
                // Whoever waited for it may have gone.
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
            StreamFrames::Camera(name) => {
                let unknown = || RunError::NoFrames { source_name: name.clone() };
                let address = shared.cameras.get(&name).ok_or_else(unknown)?.clone();
                let (settings, to) = (&settings, address.clone());
                (address, Box::new(move |behind, stop| run::open(settings, &to, behind, stop)))
            }
        };
        let model = &shared.checkpoint.files;
        let keeper =
            Keeper::new(&folder.join(STREAM_FILE), shared.checkpoint_every, &settings, model, &source)?;
        let suspended = resume.then(|| keeper.suspended()).transpose()?;
        let trace = trace_in(&folder, suspended.as_ref())?;
        let mut trace = Watched { trace, watcher, interrupt: interrupt.clone() };
        let inputs = RunInputs {
            settings: &settings,
            strategies: &shared.strategies,
            checkpoint: &shared.checkpoint,
            source: &source,
            annotations: Some(&annotations),
            interrupt,
        };
        let on_open = Box::new(move |input| {
            is_open.set(true);
            // Whoever waited for it may have gone.
            let _ = opened.send(Ok(input));
        });
        let keeping = Keeping { keeper: Some(&keeper), suspended, tells_words: true, on_open: Some(on_open) };
        let way = Way { engine: &shared.engine, open };
        run::run_on(way, inputs, keeping, &mut trace, &mut Silent).map(drop)
    }
}

/// Tells of the end of a stream that was open, also where its thread panics.
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

/// A trace that a session's readers see too.
struct Watched {
    trace: TraceWriter,
    watcher: Arc<dyn StreamWatcher>,
    interrupt: Interrupt,
}

impl TraceSink for Watched {
    /// What closes the trace of a stream that is written down is cut off when it goes on: to its readers nothing has ended.
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.trace.record(event)?;
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
