//! Segments: what the cache holds, as a strategy sees it.

use std::fmt;
use std::ops::Range;

/// What a segment of the cache is.
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
    /// The lower-case name, as the trace writes it.
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

/// Who says a message.
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

/// The kind of a message by who says it.
impl From<Role> for SegmentKind {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
        }
    }
}

/// A run of cache slots that belong together.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Segment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its cache slots; one slot is one token.
    pub range: Range<usize>,
    /// Stream time in seconds at which it went in; what an eviction puts back at the beginning has the time of what stood there
    /// before, for which it stands.
    pub time: f64,
    /// Whether an eviction has to keep it or drop everything.
    pub pinned: bool,
}
