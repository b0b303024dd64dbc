//! Shows the frames of a source to a watcher on their way to the model.

use std::sync::Arc;

use prospect_source::{Frame, FrameSource, SourceError};

use crate::backend::StreamWatcher;

/// Wraps a source so that the watcher sees every frame.
pub fn watched_frames(
    source: Box<dyn FrameSource>,
    watcher: &Arc<dyn StreamWatcher>,
) -> Box<dyn FrameSource> {
    Box::new(Watched { source, watcher: Arc::clone(watcher) })
}

struct Watched {
    source: Box<dyn FrameSource>,
    watcher: Arc<dyn StreamWatcher>,
}

impl FrameSource for Watched {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let item = self.source.next_frame();
        if let Some(Ok(frame)) = &item {
            self.watcher.frame(frame);
        }
        item
    }

    fn skip(&mut self, items: usize) -> usize {
        self.source.skip(items)
    }

    fn skip_whole(&mut self, items: usize) -> usize {
        self.source.skip_whole(items)
    }

    fn length(&self) -> Option<usize> {
        self.source.length()
    }

    fn description(&self) -> &str {
        self.source.description()
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }
}
