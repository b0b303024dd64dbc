//! What one session tells.

use std::sync::{Arc, Mutex, PoisonError};

use prospect_session::Event;
use prospect_source::Frame;
use serde_json::Value;

use super::notifier::Notifier;
use super::pictures::Pictures;
use super::reply::{Jpeg, Reply, now};
use crate::small_jpeg::SmallJpeg;

/// Tells receivers of one session. Costs nothing where there are none.
pub(crate) struct SessionNotices {
    notifier: Arc<Notifier>,
    session: String,
    camera: Option<String>,
    pictures: Pictures,
    /// What was said to the frame that is worked on.
    said: Mutex<Option<String>>,
}

impl SessionNotices {
    pub(crate) fn new(notifier: Arc<Notifier>, session: String, camera: Option<String>) -> Self {
        Self { notifier, session, camera, pictures: Pictures::default(), said: Mutex::default() }
    }

    /// A frame was read. Its picture is kept where somebody may be told what the frame looks like.
    pub(crate) fn frame(&self, frame: &Frame) {
        if self.notifier.sends_pictures() {
            self.pictures.keep(frame.index, Arc::clone(&frame.image));
        }
    }

    /// Something came of the stream. A reply is told with its frame, which knows how sure the decision was.
    pub(crate) fn event(&self, event: &Event) {
        if !self.notifier.tells_replies() {
            return;
        }
        match event {
            Event::Reply { text, .. } => *self.said() = Some(text.clone()),
            Event::Frame { index, time, not_talk_probability, .. } => {
                self.frame_done(*index, *time, *not_talk_probability);
            }
            Event::FrameDropped { index: Some(index), .. } => drop(self.pictures.take(*index)),
            _ => {}
        }
    }

    /// No code under the lock panics half-way.
    fn said(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frame_done(&self, frame: usize, time: f64, not_talk_probability: Option<f32>) {
        let picture = self.pictures.take(frame);
        let Some(text) = self.said().take() else { return };
        let (session, camera) = (self.session.clone(), self.camera.clone());
        // On the session's thread, once: what waits in the receivers' queues is small and shared.
        let image =
            picture.and_then(|picture| SmallJpeg::of(&picture)).map(|jpeg| Arc::new(Jpeg::from(jpeg)));
        let (id, created) = (Reply::id_of(&session, frame), now().as_secs());
        let reply = Reply { id, created, session, camera, frame, time, text, not_talk_probability, image };
        self.notifier.tell(&Arc::new(reply));
    }

    /// The session has another state, a JSON object with `state`.
    pub(crate) fn state(&self, state: Value) {
        if state["state"] != "watching" {
            self.pictures.clear();
        }
        if let Some(board) = self.notifier.board() {
            board.set(&self.session, self.camera.as_deref(), state);
        }
    }

    /// The session is not there any more.
    pub(crate) fn forget(&self) {
        self.pictures.clear();
        if let Some(board) = self.notifier.board() {
            board.remove(&self.session);
        }
    }
}
