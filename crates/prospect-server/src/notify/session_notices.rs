//! Passes the events of one session to the receivers.

use std::sync::Arc;

use prospect_session::Event;
use prospect_source::Frame;
use serde_json::Value;

use super::notifier::Notifier;
use super::pictures::Pictures;
use super::reply::{Jpeg, Reply, now};
use crate::mutex::Mutex;
use crate::small_jpeg::SmallJpeg;

/// Passes the events of one session to all receivers. It does almost nothing if there are none.
pub(crate) struct SessionNotices {
    notifier: Arc<Notifier>,
    session: String,
    camera: Option<String>,
    pictures: Pictures,
    /// The reply to the frame in progress.
    said: Mutex<Option<String>>,
}

impl SessionNotices {
    pub(crate) fn new(notifier: Arc<Notifier>, session: String, camera: Option<String>) -> Self {
        Self { notifier, session, camera, pictures: Pictures::default(), said: Mutex::default() }
    }

    /// Keeps the picture of a frame that was read, if a receiver gets pictures.
    pub(crate) fn frame(&self, frame: &Frame) {
        if self.notifier.sends_pictures() {
            self.pictures.keep(frame.index, Arc::clone(&frame.image));
        }
    }

    /// Takes an event. A reply is sent with the event of its frame, which has the probability of
    /// silence.
    pub(crate) fn event(&self, event: &Event) {
        if !self.notifier.tells_replies() {
            return;
        }
        match event {
            Event::Reply { text, .. } => *self.said.lock() = Some(text.clone()),
            Event::Frame { index, time, not_talk_probability, .. } => {
                self.frame_done(*index, *time, *not_talk_probability);
            }
            Event::FrameDropped { index: Some(index), .. } => drop(self.pictures.take(*index)),
            _ => {}
        }
    }

    fn frame_done(&self, frame: usize, time: f64, not_talk_probability: Option<f32>) {
        let picture = self.pictures.take(frame);
        let Some(text) = self.said.lock().take() else { return };
        let (session, camera) = (self.session.clone(), self.camera.clone());
        // Encoded once, on the session's thread. The receivers' queues then share a small picture.
        let image =
            picture.and_then(|picture| SmallJpeg::of(&picture)).map(|jpeg| Arc::new(Jpeg::from(jpeg)));
        let (id, created) = (Reply::id_of(&session, frame), now().as_secs());
        let reply = Reply { id, created, session, camera, frame, time, text, not_talk_probability, image };
        self.notifier.tell(&Arc::new(reply));
    }

    /// Sets the session's state, a JSON object with the key `state`.
    pub(crate) fn state(&self, state: Value) {
        if state["state"] != "watching" {
            self.pictures.clear();
        }
        if let Some(board) = self.notifier.board() {
            board.set(&self.session, self.camera.as_deref(), state);
        }
    }

    /// Removes the session.
    pub(crate) fn forget(&self) {
        self.pictures.clear();
        if let Some(board) = self.notifier.board() {
            board.remove(&self.session);
        }
    }
}
