//! Folders and globs of images: every file is one frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listing::{Listing, name};
use super::{Frame, FrameSource, SourceError, SourceOptions, still};

/// Image files, one after the other.
pub(super) struct ImageFiles {
    files: Vec<PathBuf>,
    options: SourceOptions,
    description: String,
    next: usize,
    stop: usize,
    index: usize,
}

impl ImageFiles {
    pub(super) fn folder(path: &Path, options: SourceOptions) -> Result<Self, SourceError> {
        Self::new(Listing::of_folder(path)?, &path.display().to_string(), options)
    }

    pub(super) fn pattern(pattern: &str, options: SourceOptions) -> Result<Self, SourceError> {
        Self::new(Listing::of_pattern(pattern)?, pattern, options)
    }

    pub(super) fn single(path: &Path, options: SourceOptions) -> Self {
        Self::over(vec![path.to_owned()], format!("{} (image)", path.display()), options)
    }

    fn new(
        Listing { files, left_out }: Listing,
        spec: &str,
        options: SourceOptions,
    ) -> Result<Self, SourceError> {
        if files.is_empty() {
            return Err(SourceError::NoImages { spec: spec.to_owned(), left_out });
        }
        let description = format!("{spec} ({} images{left_out})", files.len());
        Ok(Self::over(files, description, options))
    }

    fn over(files: Vec<PathBuf>, description: String, options: SourceOptions) -> Self {
        let slot = |time: f64| ((time * options.fps - 1e-6).ceil().max(0.0) as usize).min(files.len());
        let next = slot(options.start);
        let stop = options.end.map_or(files.len(), slot);
        let stop = options.max_frames.map_or(stop, |most| stop.min(next.saturating_add(most)));
        Self { files, options, description, next, stop, index: 0 }
    }
}

impl FrameSource for ImageFiles {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.next >= self.stop {
            return None;
        }
        let path = &self.files[self.next];
        let (index, time) = (self.index, self.next as f64 / self.options.fps);
        self.next += 1;
        self.index += 1;
        Some(still::open(path).map(|image| Frame {
            index,
            time,
            image: Arc::new(image),
            name: Some(name(path)),
        }))
    }

    /// Skips files without opening them.
    fn skip(&mut self, items: usize) -> usize {
        let skipped = items.min(self.stop.saturating_sub(self.next));
        self.next += skipped;
        self.index += skipped;
        skipped
    }

    fn length(&self) -> Option<usize> {
        Some(self.index + (self.stop.saturating_sub(self.next)))
    }

    fn description(&self) -> &str {
        &self.description
    }
}
