//! What is known of a run beside its trace.

use prospect_evaluation::annotations::{Annotations, Message};
use prospect_session::RunStatistics;

/// What a run leaves in memory; everything else is in its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The figures that close the trace.
    pub statistics: RunStatistics,
    /// Stream time of the first and the last frame, in seconds.
    pub span: (f64, f64),
}

impl Outcome {
    /// The references at whose time there was a frame to reply to.
    pub fn references<'a>(&self, annotations: &'a Annotations) -> Vec<&'a Message> {
        annotations.references_between(self.span.0, self.span.1).collect()
    }
}
