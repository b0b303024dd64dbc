//! A live source behind a stream that was suspended: what it gave meanwhile is gone.

use super::{Frame, FrameSource, SourceError};

/// A source whose frames are numbered from `index` on and begin at `time`, in seconds.
pub fn behind(source: Box<dyn FrameSource>, index: usize, time: f64) -> Box<dyn FrameSource> {
    Box::new(Behind { source, index, time })
}

struct Behind {
    source: Box<dyn FrameSource>,
    index: usize,
    time: f64,
}

impl FrameSource for Behind {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let (index, time) = (self.index, self.time);
        let later = |frame: Frame| Frame { index: frame.index + index, time: frame.time + time, ..frame };
        self.source.next_frame().map(|frame| frame.map(later))
    }

    fn length(&self) -> Option<usize> {
        self.source.length().map(|length| length + self.index)
    }

    fn description(&self) -> &str {
        self.source.description()
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceOptions, open};

    #[test]
    #[allow(clippy::unwrap_used)]
    fn frames_go_on_where_the_stream_was() {
        let video = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/workbench/videos/video_000.mp4");
        let options = SourceOptions { fps: 2.0, start: 0.0, end: None, max_frames: Some(2) };
        let mut frames = behind(open(video, options).unwrap(), 7, 30.0);
        assert_eq!(frames.length(), Some(9));
        let mut next =
            || frames.next_frame().map(|frame| frame.unwrap()).map(|frame| (frame.index, frame.time));
        assert_eq!([next(), next(), next()], [Some((7, 30.0)), Some((8, 30.5)), None]);
    }
}
