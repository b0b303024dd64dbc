//! The one error type of the settings. Every message is one line: where, key, value, what would be valid.

use std::fmt;
use std::path::PathBuf;

use crate::origin::Origin;

/// Where a refused setting was written, under which key, with which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The layer that wrote it.
    pub origin: Origin,
    /// The dotted key as written, `context.max_seq_len`.
    pub key: String,
    /// The value as TOML, shortened to one line; empty when the key itself is the problem.
    pub value: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} = {}", self.origin, self.key, self.value)
    }
}

/// Why settings were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The settings file cannot be read.
    #[error("{}: cannot read the settings file ({reason}); expected a readable TOML file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The text is no TOML.
    #[error("{origin}: line {line}, column {column}: {reason}; expected TOML")]
    Syntax {
        /// The file.
        origin: Origin,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the parser said.
        reason: String,
    },
    /// A `--set` without `=` or without a key.
    #[error("--set {text}: expected section.key=value")]
    MalformedSet {
        /// The argument.
        text: String,
    },
    /// A preset that does not exist.
    #[error("--preset {name}: expected one of {known}{near}")]
    NoPreset {
        /// The name.
        name: String,
        /// ` (did you mean ...?)`, or nothing.
        near: String,
        /// The names that exist.
        known: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}{hint}")]
    UnknownKey {
        /// The layer that wrote it.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// `; did you mean ...?` or the valid names.
        hint: String,
    },
    /// Cameras that are no tables.
    #[error("{origin}: camera: expected tables, [[camera]]")]
    CamerasNotTables {
        /// The file.
        origin: Origin,
    },
    /// A camera without a part of it, or with one of the wrong type. Its address is not repeated.
    #[error("{origin}: [[camera]] {number}: {key}: expected {expected}")]
    Camera {
        /// The file.
        origin: Origin,
        /// Which camera, from 1.
        number: usize,
        /// The part.
        key: &'static str,
        /// What is valid.
        expected: &'static str,
    },
    /// A value where a section belongs.
    #[error("{0}: expected a section with keys of its own: {1}")]
    NotASection(Box<Place>, String),
    /// A value of the wrong type.
    #[error("{at}: expected {expected}")]
    WrongType {
        /// Where.
        at: Box<Place>,
        /// The type that is valid.
        expected: String,
    },
    /// A value of the right type that is out of range or no known choice.
    #[error("{at}: expected {expected}")]
    Invalid {
        /// Where.
        at: Box<Place>,
        /// What is valid.
        expected: String,
    },
    /// A value that is valid by itself but not together with another one.
    #[error("{at}: expected {expected}")]
    Conflict {
        /// Where.
        at: Box<Place>,
        /// What is valid, naming the other key.
        expected: String,
    },
    /// A parameter that the chosen strategy or sampling does not use.
    #[error("{at}: not used with {chosen}; valid here: {valid}")]
    Unused {
        /// Where.
        at: Box<Place>,
        /// The choice, `context.strategy = "drop_all"`.
        chosen: String,
        /// The parameters that it has.
        valid: String,
    },
    /// A key that has no default and is needed.
    #[error("{key} is missing: {expected}")]
    Missing {
        /// The dotted key.
        key: String,
        /// What needs it, and what is valid.
        expected: String,
    },
    /// A value that the loaded checkpoint does not allow; made by [`crate::Settings::checkpoint_error`].
    #[error("{at}: expected {expected} (from the checkpoint)")]
    Checkpoint {
        /// Where.
        at: Box<Place>,
        /// What the checkpoint allows.
        expected: String,
    },
}
