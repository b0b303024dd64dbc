//! The three levels of a task in PROSPECT's dialogue states.

use std::path::Path;

use super::{Annotations, AnnotationsError, Substep};

/// The level of a part of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Step,
    Substep,
    Action,
}

impl Level {
    /// From coarse to fine.
    pub(super) const ALL: [Self; 3] = [Self::Step, Self::Substep, Self::Action];

    /// The word in a DST row.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Step => "STEP",
            Self::Substep => "SUBSTEP",
            Self::Action => "ACTION",
        }
    }

    /// The key in our own format.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Substep => "substeps",
            Self::Action => "actions",
        }
    }

    /// Reads the word of a DST row, in either case.
    pub(super) fn from_word(word: &str, place: &str, path: &Path) -> Result<Self, AnnotationsError> {
        let found = Self::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(word.trim()));
        found.ok_or_else(|| AnnotationsError::Level {
            path: path.to_owned(),
            place: place.to_owned(),
            value: word.to_owned(),
        })
    }

    /// The entries of this level.
    pub(super) fn of(self, annotations: &Annotations) -> &[Substep] {
        match self {
            Self::Step => &annotations.steps,
            Self::Substep => &annotations.substeps,
            Self::Action => &annotations.actions,
        }
    }

    fn of_mut(self, annotations: &mut Annotations) -> &mut Vec<Substep> {
        match self {
            Self::Step => &mut annotations.steps,
            Self::Substep => &mut annotations.substeps,
            Self::Action => &mut annotations.actions,
        }
    }
}

/// Puts rows into the lists of their levels, sorted by start; rows that start together stay in their order.
pub(super) fn put(annotations: &mut Annotations, rows: Vec<(Level, Substep)>) {
    for (level, entry) in rows {
        level.of_mut(annotations).push(entry);
    }
    for level in Level::ALL {
        level.of_mut(annotations).sort_by(|a, b| a.start.total_cmp(&b.start));
    }
    steps_for_substeps(annotations);
}

/// Uses the steps as substeps if a file has no substeps.
pub(super) fn steps_for_substeps(annotations: &mut Annotations) {
    if annotations.substeps.is_empty() {
        annotations.substeps = annotations.steps.clone();
    }
}

/// All rows, sorted by start, coarse before fine. Steps that are used as substeps are written once.
pub(super) fn rows(annotations: &Annotations) -> Vec<(Level, &Substep)> {
    let has_own = |level: &Level| *level != Level::Substep || annotations.substeps != annotations.steps;
    let of = |level: Level| level.of(annotations).iter().map(move |entry| (level, entry));
    let mut rows: Vec<(Level, &Substep)> = Level::ALL.into_iter().filter(has_own).flat_map(of).collect();
    rows.sort_by(|(_, a), (_, b)| a.start.total_cmp(&b.start));
    rows
}
