//! How much of everything there may be.

use std::time::Duration;

/// Bounds of what clients can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub body_bytes: usize,
    /// Most pixels of a picture.
    pub pixels: u64,
    /// Most frames in one request.
    pub frames_a_request: usize,
    /// Most frames of a session that wait for the model.
    pub waiting_frames: usize,
    /// Most sessions that go on at a time.
    pub sessions: usize,
    /// Most sessions that are kept, those that are suspended among them.
    pub kept_sessions: usize,
    /// Most connections at a time.
    pub connections: usize,
    /// After so long without a request, a session is suspended.
    pub idle: Duration,
    /// Longest wait for a request's body, and for what comes of its frames.
    pub request: Duration,
    /// Longest time in which nothing of what is sent is taken by whoever should read it.
    pub write: Duration,
    /// Most letters of a text.
    pub text: usize,
    /// Most events of a session that are kept for readers.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            pixels: 12_582_912,
            frames_a_request: 64,
            waiting_frames: 4,
            sessions: 64,
            kept_sessions: 1024,
            connections: 1024,
            idle: Duration::from_secs(600),
            request: Duration::from_secs(60),
            write: Duration::from_secs(30),
            text: 16_384,
            events: 4096,
        }
    }
}
