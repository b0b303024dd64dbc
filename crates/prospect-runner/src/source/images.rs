//! Folders and globs of images: every file is one frame.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::{Frame, FrameSource, SourceError, SourceOptions};

const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// Image files in natural order of their names (`2.png` before `10.png`).
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
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        Self::new(files, &path.display().to_string(), options)
    }

    pub(super) fn pattern(pattern: &str, options: SourceOptions) -> Result<Self, SourceError> {
        let paths = glob::glob(pattern).map_err(|error| SourceError::Pattern {
            pattern: pattern.to_owned(),
            message: error.to_string(),
        })?;
        let files = paths
            .map(|entry| {
                entry.map_err(|error| SourceError::Unreadable {
                    path: error.path().to_owned(),
                    source: error.into(),
                })
            })
            .collect::<Result<_, _>>()?;
        Self::new(files, pattern, options)
    }

    pub(super) fn single(path: &Path, options: SourceOptions) -> Self {
        Self::over(vec![path.to_owned()], format!("{} (image)", path.display()), options)
    }

    fn new(mut files: Vec<PathBuf>, spec: &str, options: SourceOptions) -> Result<Self, SourceError> {
        files.retain(|file| is_image(file) && file.is_file());
        if files.is_empty() {
            return Err(SourceError::NoImages { spec: spec.to_owned() });
        }
        files.sort_by(|a, b| natural_order(&name(a), &name(b)).then_with(|| a.cmp(b)));
        let description = format!("{spec} ({} images)", files.len());
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

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
        Some(read(path).map(|image| Frame { index, time, image, name: Some(name(path)) }))
    }

    /// Without opening them.
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

fn read(path: &Path) -> Result<image::RgbImage, SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    let reader =
        image::ImageReader::open(path).and_then(|reader| reader.with_guessed_format()).map_err(unreadable)?;
    let image = reader
        .decode()
        .map_err(|error| SourceError::CorruptImage { path: path.to_owned(), message: error.to_string() })?
        .to_rgb8();
    match image.dimensions() {
        (width, height) if width == 0 || height == 0 => {
            Err(SourceError::ZeroSize { path: path.to_owned(), width, height })
        }
        _ => Ok(image),
    }
}

/// Compares runs of digits by their value and everything else by its characters.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (run_a, run_b) = (digits(a), digits(b));
        if !run_a.is_empty() && !run_b.is_empty() {
            let (value_a, value_b) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
            match value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(value_b)) {
                Ordering::Equal => (a, b) = (&a[run_a.len()..], &b[run_b.len()..]),
                unequal => return unequal,
            }
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = ["f10.png", "f2.png", "f1.png", "f02b.png", "a.png"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a.png", "f1.png", "f2.png", "f02b.png", "f10.png"]);
    }
}
