//! Limits of requests, sessions and connections.

use std::time::Duration;

/// Limits for what clients can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request body.
    pub body_bytes: usize,
    /// Most bytes of all request bodies, and of the messages of WebSockets that are worked on, at the same
    /// time.
    pub bodies_bytes: usize,
    /// Most pixels of a picture.
    pub pixels: u64,
    /// Most pixels of a request's pictures and frames together, in the sizes in which they are kept.
    pub pixels_a_request: u64,
    /// Most frames in one request.
    pub frames_a_request: usize,
    /// Most frames of a session that wait for the model.
    pub waiting_frames: usize,
    /// Most running sessions.
    pub sessions: usize,
    /// Most running sessions of one key, so that one alone cannot take all places. The server's own
    /// sessions have no such bound.
    pub sessions_of_key: usize,
    /// Most sessions of one key, those included that are suspended or have ended.
    pub kept_sessions: usize,
    /// Most simultaneous connections.
    pub connections: usize,
    /// Time without a request after which a session is suspended.
    pub idle: Duration,
    /// Time limit for receiving a request's body, and for the results of its frames.
    pub request: Duration,
    /// Time after which a connection is closed if the client reads nothing that is sent.
    pub write: Duration,
    /// Time without a message after which the client of a WebSocket is pinged. After as long again the
    /// connection is closed. What the server sends meanwhile does not count.
    pub silence: Duration,
    /// Interval of the comments that keep a stream of events open.
    pub keep_alive: Duration,
    /// Most characters of a text.
    pub text: usize,
    /// Most events of a session that are kept for readers.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            bodies_bytes: 256 << 20,
            pixels: 12_582_912,
            pixels_a_request: 4 * 12_582_912,
            frames_a_request: 64,
            waiting_frames: 4,
            sessions: 64,
            sessions_of_key: 64,
            kept_sessions: 1024,
            connections: 1024,
            idle: Duration::from_secs(600),
            request: Duration::from_secs(60),
            write: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            text: 16_384,
            events: 4096,
        }
    }
}
