//! `prospect-runner convert`: an annotation file in another format.

use super::arguments::ConvertArguments;
use super::say::{complain, print};
use crate::error::RunError;
use prospect_evaluation::annotations::{Annotations, Choice};

pub(super) fn convert(arguments: &ConvertArguments) -> Result<(), RunError> {
    let ConvertArguments { file, format, output, video, user_type } = arguments;
    let choice = Choice { video_uid: video.clone(), user_type: user_type.clone(), line: None };
    let annotations = Annotations::from_file_choosing(file, &choice)?;
    let text = format.write(&annotations)?;
    match output {
        Some(path) => {
            std::fs::write(path, text).map_err(|source| RunError::Write { path: path.clone(), source })?
        }
        None => print(text.trim_end_matches('\n')),
    }
    let lost = format.lost(&annotations);
    if !lost.is_empty() {
        warn(&format!("{} has no place for {}", format.name(), lost.join(", ")));
    }
    Ok(())
}

/// Standard output may be the file, so a warning goes to the other one.
fn warn(message: &str) {
    complain("warning", message);
}
