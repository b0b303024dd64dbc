//! The result of a run besides its trace.

use prospect_evaluation::annotations::{Annotations, Message};
use prospect_session::RunStatistics;

/// The result of a run. Everything else is in its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The figures at the end of the trace.
    pub statistics: RunStatistics,
    /// Stream time of the first and the last frame, in seconds.
    pub span: (f64, f64),
}

impl Outcome {
    /// The references whose time lies between the first and the last frame.
    pub fn references<'a>(&self, annotations: &'a Annotations) -> Vec<&'a Message> {
        annotations.references_between(self.span.0, self.span.1).collect()
    }
}
