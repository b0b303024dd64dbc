//! Whoever asks to see what a session sees.

use std::sync::Arc;

use image::RgbImage;
use prospect_source::Frame;
use tokio::sync::oneshot;

use crate::mutex::Mutex;

/// Most viewers of one session that wait for a frame.
const MOST_VIEWERS: usize = 32;

/// A frame that was read.
#[derive(Debug, Clone)]
pub(crate) struct SeenFrame {
    pub(crate) index: usize,
    /// Stream time in seconds.
    pub(crate) time: f64,
    pub(crate) picture: Arc<RgbImage>,
}

/// Viewers that wait for the next frame. Nothing is kept for anybody who might ask later: a session that nobody looks at costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Viewers(Mutex<Vec<oneshot::Sender<SeenFrame>>>);

impl Viewers {
    /// Waits for the session's next frame; `None` where as many wait as may.
    pub(crate) fn next_frame(&self) -> Option<oneshot::Receiver<SeenFrame>> {
        // No code under the lock panics half-way.
        let mut waiting = self.0.lock();
        waiting.retain(|viewer| !viewer.is_closed());
        (waiting.len() < MOST_VIEWERS).then(|| {
            let (viewer, frame) = oneshot::channel();
            waiting.push(viewer);
            frame
        })
    }

    /// Sends everybody away who waits: no frame follows.
    pub(crate) fn send_away(&self) {
        self.0.lock().clear();
    }

    /// Shows a frame to everybody who waits. Its picture is shared, not copied.
    pub(crate) fn show(&self, frame: &Frame) {
        let mut waiting = self.0.lock();
        for viewer in waiting.drain(..) {
            let seen = SeenFrame { index: frame.index, time: frame.time, picture: Arc::clone(&frame.image) };
            // A viewer that has left needs no frame.
            let _ = viewer.send(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(index: usize) -> Frame {
        let image = Arc::new(RgbImage::new(2, 1));
        Frame { index, time: index as f64 / 2.0, image, name: None }
    }

    #[test]
    fn everybody_who_waits_sees_the_next_frame_once() {
        let viewers = Viewers::default();
        viewers.show(&frame(0));
        let (mut one, mut other) = (viewers.next_frame().unwrap(), viewers.next_frame().unwrap());
        assert!(one.try_recv().is_err(), "a frame before is not kept");
        viewers.show(&frame(1));
        viewers.show(&frame(2));
        assert_eq!((one.try_recv().unwrap().index, other.try_recv().unwrap().index), (1, 1));
    }

    #[test]
    fn as_many_wait_as_may_and_who_leaves_makes_room() {
        let viewers = Viewers::default();
        let waiting: Vec<_> = (0..MOST_VIEWERS).map(|_| viewers.next_frame().unwrap()).collect();
        assert!(viewers.next_frame().is_none());
        drop(waiting);
        let mut last = viewers.next_frame().unwrap();
        viewers.send_away();
        assert_eq!(last.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    }
}
