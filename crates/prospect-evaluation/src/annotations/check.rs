//! The checks for annotations of every format.

use std::path::Path;

use super::levels::Level;
use super::{Annotations, AnnotationsError, Substep};

/// Checks everything that the types do not guarantee. Errors name places of our own format.
pub(super) fn check(annotations: &Annotations, path: &Path) -> Result<(), AnnotationsError> {
    if let Some(fps) = annotations.fps {
        check_fps(fps, path)?;
    }
    let mut before = 0.0;
    for (index, message) in annotations.messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        check_time(message.time, || format!("{place}.time"), path)?;
        if let Some(evidence) = message.evidence {
            check_time(evidence, || format!("{place}.evidence"), path)?;
        }
        check_sorted(&mut before, message.time, place, path)?;
    }
    for level in Level::ALL {
        let mut before = 0.0;
        for (index, entry) in level.of(annotations).iter().enumerate() {
            let place = format!("{}[{index}]", level.list());
            check_span(entry, level, &Place::in_json(path, &place, ["start", "end"]))?;
            check_sorted(&mut before, entry.start, place, path)?;
        }
    }
    Ok(())
}

/// The place of a step, substep or action, for errors.
pub(super) struct Place<'a> {
    path: &'a Path,
    entry: &'a str,
    separator: &'static str,
    keys: [&'static str; 2],
}

impl<'a> Place<'a> {
    /// An entry of a JSON list; `keys` name its start and end.
    pub(super) fn in_json(path: &'a Path, entry: &'a str, keys: [&'static str; 2]) -> Self {
        Self { path, entry, separator: ".", keys }
    }

    /// A line of a table; `keys` name the columns of start and end.
    pub(super) fn in_table(path: &'a Path, line: &'a str, keys: [&'static str; 2]) -> Self {
        Self { path, entry: line, separator: ": ", keys }
    }
}

/// Checks name, start and end of one entry.
pub(super) fn check_span(entry: &Substep, level: Level, place: &Place<'_>) -> Result<(), AnnotationsError> {
    let Place { path, entry: at, separator, keys } = *place;
    for (key, time) in keys.into_iter().zip([entry.start, entry.end]) {
        check_time(time, || format!("{at}{separator}{key}"), path)?;
    }
    let Substep { ref name, start, end } = *entry;
    // PROSPECT's actions are mostly instants: one time that stands in both columns.
    let is_instant = level == Level::Action && start == end;
    if start >= end && !is_instant {
        return Err(AnnotationsError::EmptySpan { path: path.to_owned(), place: at.to_owned(), start, end });
    }
    if name.trim().is_empty() {
        return Err(AnnotationsError::EmptyName { path: path.to_owned(), place: at.to_owned() });
    }
    Ok(())
}

pub(super) fn check_fps(fps: f64, path: &Path) -> Result<(), AnnotationsError> {
    if fps.is_finite() && fps > 0.0 {
        return Ok(());
    }
    Err(AnnotationsError::Fps { path: path.to_owned(), fps })
}

pub(super) fn check_time(
    value: f64,
    place: impl Fn() -> String,
    path: &Path,
) -> Result<(), AnnotationsError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(AnnotationsError::Time { path: path.to_owned(), place: place(), value })
}

fn check_sorted(before: &mut f64, value: f64, place: String, path: &Path) -> Result<(), AnnotationsError> {
    if value < *before {
        return Err(AnnotationsError::Unsorted { path: path.to_owned(), place, value });
    }
    *before = value;
    Ok(())
}
