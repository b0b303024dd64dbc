//! A session and a model without weights, driven step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prospect_config::{Layers, Settings};

use crate::fake::{FakeCache, FakeLanguage, Script};
use crate::registry::Registry;
use crate::{
    Event, Fingerprint, FrameDone, FrameInput, Guidance, OverflowRule, Reply, Session, SessionError,
    SessionOptions, Thumbnail,
};

/// A fake model with one stream.
pub(super) struct FakeModel {
    pub(super) cache: FakeCache,
    pub(super) script: Script,
    pub(super) frame_tokens: usize,
    /// Tokens of a reply that come at once.
    pub(super) slice: usize,
}

impl FakeModel {
    pub(super) fn new(
        capacity: usize,
        frame_tokens: usize,
        reply_lengths: &[usize],
        answer_length: usize,
    ) -> Self {
        let script = Script::new(reply_lengths, answer_length);
        Self { cache: FakeCache::new(capacity), script, frame_tokens, slice: usize::MAX }
    }

    /// The bytes of the cache as text; a frame's image tokens show as `#`.
    pub(super) fn text(&self) -> String {
        self.cache.text()
    }

    pub(super) fn language(&self) -> Arc<FakeLanguage> {
        Arc::new(FakeLanguage { frame_tokens: self.frame_tokens })
    }

    /// Does all that a session wants done until its frame is over.
    pub(super) fn serve(
        &mut self,
        session: &mut Session,
        began: Instant,
    ) -> Result<Option<FrameDone>, SessionError> {
        let mut over = None;
        while let Some(work) = session.next_work() {
            let waits = work.has_result();
            let done = self.cache.perform(&self.script, work, self.slice);
            assert_eq!(done.is_some(), waits);
            if let Some(done) = done {
                over = session.done(done, began.elapsed())?;
            }
        }
        Ok(over)
    }

    /// A frame from its arrival to its end.
    pub(super) fn frame(
        &mut self,
        session: &mut Session,
        frame: FrameInput,
    ) -> Result<Option<Reply>, SessionError> {
        let began = Instant::now();
        let over = session.frame(frame, began.elapsed())?;
        let over = match over {
            Some(over) => over,
            None => self.serve(session, began)?.expect("a frame that is begun comes to its end"),
        };
        assert!(session.is_idle(), "nothing is left to be done");
        assert_eq!(session.cache_tokens(), self.cache.ids.len(), "frame {}", frame.index);
        Ok(over.reply)
    }
}

/// Frame `index` of a stream of two frames a second in which every picture is another one.
pub(super) fn frame(index: usize) -> FrameInput {
    frame_at(index, index as f64 / 2.0)
}

pub(super) fn frame_at(index: usize, time: f64) -> FrameInput {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(index as u64).to_le_bytes());
    // Two frames on, the picture has changed by more than a tenth.
    let thumbnail = Thumbnail::grey((index * 16 % 256) as u8);
    FrameInput { index, time, fingerprint: Fingerprint(digest), thumbnail, pace: None }
}

/// What a run over the fake left behind.
pub(super) struct Run {
    pub(super) replies: Vec<Reply>,
    pub(super) events: Vec<Event>,
    pub(super) error: Option<SessionError>,
}

/// Settings over the defaults; `key=value` each.
pub(super) fn settings(sets: &[&str]) -> Settings {
    let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
    layers.resolve().unwrap()
}

pub(super) fn rule(settings: &Settings) -> OverflowRule {
    Registry::default().overflow_rule(&settings.context).unwrap()
}

pub(super) fn session(
    model: &FakeModel,
    settings: &Settings,
    guidance: &Guidance,
) -> Result<Session, SessionError> {
    Session::new(model.language(), rule(settings), SessionOptions::new(settings, guidance.clone()))
}

/// Streams `frames` frames at two a second; checks after each that ledger and cache agree.
pub(super) fn run(model: &mut FakeModel, settings: &Settings, guidance: &Guidance, frames: usize) -> Run {
    let mut run = Run { replies: Vec::new(), events: Vec::new(), error: None };
    let mut session = match session(model, settings, guidance) {
        Ok(session) => session,
        Err(refusal) => return Run { error: Some(refusal), ..run },
    };
    for index in 0..frames {
        match model.frame(&mut session, frame(index)) {
            Ok(reply) => run.replies.extend(reply),
            Err(failure) => {
                session.fail(failure.to_string(), None);
                run.error = Some(failure);
                break;
            }
        }
        run.events.extend(session.take_events());
    }
    if run.error.is_none() {
        session.finish(None);
    }
    run.events.extend(session.take_events());
    run
}

/// A moment, for inputs that take no time.
pub(super) const NOW: Duration = Duration::ZERO;
