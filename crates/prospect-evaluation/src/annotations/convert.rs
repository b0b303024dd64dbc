//! Converts annotations from one format to another.

use std::path::Path;

use super::check::check;
use super::{Annotations, AnnotationsError, dst, own_json, proassist};

/// The name that errors use if there is no file yet.
const UNWRITTEN: &str = "annotations to be written";

/// A format of annotation files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own JSON.
    Prospect,
    /// ProAssist's conversations (JSON).
    ProAssist,
    /// PROSPECT's dialogue states (TSV).
    Dst,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Prospect, Self::ProAssist, Self::Dst];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prospect => "prospect",
            Self::ProAssist => "proassist",
            Self::Dst => "dst",
        }
    }

    /// The text of a file in this format. It lacks the parts that [`Format::lost`] lists.
    ///
    /// # Errors
    /// The annotations were built in memory, and no file may hold them: times that are negative, infinite or
    /// not sorted, or entries without a duration or a name.
    pub fn write(self, annotations: &Annotations) -> Result<String, AnnotationsError> {
        let path = Path::new(UNWRITTEN);
        check(annotations, path)?;
        match self {
            Self::Prospect => own_json::write(annotations),
            Self::ProAssist => proassist::write(annotations),
            Self::Dst => Ok(dst::write(annotations)),
        }
        .map_err(|error| AnnotationsError::malformed(path, &error))
    }

    /// The parts of these annotations for which the format has no place.
    pub fn lost(self, annotations: &Annotations) -> Vec<&'static str> {
        match self {
            Self::Prospect => Vec::new(),
            Self::ProAssist => {
                let ambiguous =
                    "the kind and time of system messages that ProAssist gives a meaning of its own";
                let shown = annotations.messages.iter().any(|message| message.evidence.is_some());
                let all =
                    [(proassist::is_ambiguous(annotations), ambiguous), (shown, "the times of evidence")];
                all.into_iter().filter_map(|(is_lost, what)| is_lost.then_some(what)).collect()
            }
            Self::Dst => Self::lost_by_dst(annotations),
        }
    }

    fn lost_by_dst(annotations: &Annotations) -> Vec<&'static str> {
        let Annotations { fps, system_prompt, task_knowledge, messages, steps, substeps, actions } =
            annotations;
        let mut names = [steps, substeps, actions].into_iter().flatten().map(|entry| &entry.name);
        let all = [
            (fps.is_some(), "the frame rate"),
            (system_prompt.is_some(), "the system prompt"),
            (task_knowledge.is_some(), "the task knowledge"),
            (!messages.is_empty(), "the messages"),
            (names.any(|name| name.contains(dst::is_separator)), "tabs and line breaks in names"),
        ];
        all.into_iter().filter_map(|(is_lost, what)| is_lost.then_some(what)).collect()
    }
}
