//! Segments: the parts of the cache that a strategy sees.

use std::fmt;
use std::ops::Range;

/// The kind of a segment of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum SegmentKind {
    /// The system prompt, with the task knowledge if there is any.
    System,
    /// A user message.
    User,
    /// A video frame with the silence token that followed it.
    Frame,
    /// A reply of the assistant.
    Assistant,
    /// A summary that an earlier eviction put back.
    Summary,
}

impl SegmentKind {
    /// The lower-case name, as in a trace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Frame => "frame",
            Self::Assistant => "assistant",
            Self::Summary => "summary",
        }
    }
}

impl fmt::Display for SegmentKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The role of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Role {
    /// The system prompt's role.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The lower-case name, as chat templates expect it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The kind of a message by its role.
impl From<Role> for SegmentKind {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
        }
    }
}

/// Consecutive slots of the cache that belong together.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Segment {
    /// The kind of the segment.
    pub kind: SegmentKind,
    /// The slots of the segment; one slot holds one token.
    pub range: Range<usize>,
    /// The stream time in seconds at which the segment went in. A text that an eviction puts back at the
    /// beginning has the time of the segment that it replaces.
    pub time: f64,
    /// Whether an eviction has to keep this segment or drop everything.
    pub pinned: bool,
}
