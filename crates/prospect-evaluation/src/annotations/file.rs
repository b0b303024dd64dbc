//! Annotation files: the format of a file, and the file that belongs to a video.

use std::path::{Path, PathBuf};

use super::annotated::Annotations;
use super::error::AnnotationsError;
use super::proassist::Choice;
use super::{dst, own_json, proassist};

impl Annotations {
    /// Reads and checks a file of any of the three formats.
    ///
    /// # Errors
    /// One variant of [`AnnotationsError`] for each way in which the file is not an annotation file.
    pub fn from_file(path: &Path) -> Result<Self, AnnotationsError> {
        Self::from_file_choosing(path, &Choice::default())
    }

    /// Reads and checks a file. If it is a ProAssist file with several videos or conversations, reads the
    /// chosen one.
    ///
    /// # Errors
    /// The errors of [`Annotations::from_file`], and an error if there is no such video or conversation.
    pub fn from_file_choosing(path: &Path, choice: &Choice) -> Result<Self, AnnotationsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AnnotationsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse_choosing(&text, path, choice)
    }

    /// Reads and checks the text of a file. Errors name `path`, and its ending `.tsv` means a DST file.
    ///
    /// # Errors
    /// The errors of [`Annotations::from_file`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, AnnotationsError> {
        Self::parse_choosing(text, path, &Choice::default())
    }

    pub(super) fn parse_choosing(text: &str, path: &Path, choice: &Choice) -> Result<Self, AnnotationsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if has_extension(path, &["jsonl"]) {
            return proassist::read_prepared(text, path, choice);
        }
        let is_dst = has_extension(path, &["tsv"]);
        let json = if is_dst { None } else { Some(own_json::value(text, path)?) };
        match json {
            Some(value) if proassist::is_proassist(&value) => proassist::read(value, path, choice),
            _ if *choice != Choice::default() => {
                Err(AnnotationsError::NothingToChoose { path: path.to_owned() })
            }
            Some(_) => own_json::read(text, path),
            None => dst::read(text, path),
        }
    }

    /// The file `<video>.json` beside a video (`kitchen.json` for `kitchen.mp4`) if it exists, or else
    /// `<video>.tsv` if that exists. `None` if `video` is itself an annotation file.
    pub fn beside(video: &Path) -> Option<PathBuf> {
        const ENDINGS: [&str; 2] = ["json", "tsv"];
        if has_extension(video, &ENDINGS) {
            return None;
        }
        ENDINGS.iter().map(|ending| video.with_extension(ending)).find(|file| file.is_file())
    }
}

fn has_extension(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| endings.iter().any(|ending| extension.eq_ignore_ascii_case(ending)))
}
