//! The error type of the settings. Every message is one line with place, key, value and what would be valid.

use std::fmt;
use std::path::PathBuf;

use crate::origin::Origin;

/// The place of a refused setting: its origin, key and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The layer that wrote it.
    pub origin: Origin,
    /// The dotted key as written, `context.max_seq_len`.
    pub key: String,
    /// The value as TOML, shortened to one line. It is empty if the key itself is the problem.
    pub value: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} = {}", self.origin, self.key, self.value)
    }
}

/// The reason why settings were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The settings file cannot be read.
    #[error("{}: cannot read the settings file ({reason}); expected a readable TOML file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The message of the operating system.
        reason: String,
    },
    /// The text is not TOML.
    #[error("{origin}: line {line}, column {column}: {reason}; expected TOML")]
    Syntax {
        /// The file.
        origin: Origin,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// The message of the parser.
        reason: String,
    },
    /// A `--set` argument has no `=` or no key.
    #[error("--set {text}: expected section.key=value")]
    MalformedSet {
        /// The argument.
        text: String,
    },
    /// There is no preset with this name.
    #[error("--preset {name}: expected one of {known}{near}")]
    NoPreset {
        /// The name that was given.
        name: String,
        /// ` (did you mean ...?)`, or nothing.
        near: String,
        /// The names that exist.
        known: String,
    },
    /// There is no setting with this key.
    #[error("{origin}: unknown key {key}{hint}")]
    UnknownKey {
        /// The layer that wrote it.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// `; did you mean ...?` or the valid names.
        hint: String,
    },
    /// `camera` is not an array of tables.
    #[error("{origin}: camera: expected tables, [[camera]]")]
    CamerasNotTables {
        /// The file.
        origin: Origin,
    },
    /// A camera lacks a key, or a key has the wrong type. The message does not repeat the address.
    #[error("{origin}: [[camera]] {number}: {key}: expected {expected}")]
    Camera {
        /// The file.
        origin: Origin,
        /// The number of the camera, counted from 1.
        number: usize,
        /// The key.
        key: &'static str,
        /// What is valid.
        expected: &'static str,
    },
    /// A section was expected, and a value was found.
    #[error("{0}: expected a section with keys of its own: {1}")]
    NotASection(Box<Place>, String),
    /// A value has the wrong type.
    #[error("{at}: expected {expected}")]
    WrongType {
        /// The place of the setting.
        at: Box<Place>,
        /// The type that is valid.
        expected: String,
    },
    /// A value has the right type, but is out of range or not one of the choices.
    #[error("{at}: expected {expected}")]
    Invalid {
        /// The place of the setting.
        at: Box<Place>,
        /// What is valid.
        expected: String,
    },
    /// A value is valid by itself, but not together with another one.
    #[error("{at}: expected {expected}")]
    Conflict {
        /// The place of the setting.
        at: Box<Place>,
        /// What is valid, naming the other key.
        expected: String,
    },
    /// A parameter is set that the chosen strategy or sampling does not use.
    #[error("{at}: not used with {chosen}; valid here: {valid}")]
    Unused {
        /// The place of the setting.
        at: Box<Place>,
        /// The choice, for example `context.strategy = "drop_all"`.
        chosen: String,
        /// The parameters that it uses.
        valid: String,
    },
    /// A required key has no default and is not set.
    #[error("{key} is missing: {expected}")]
    Missing {
        /// The dotted key.
        key: String,
        /// What needs it, and what is valid.
        expected: String,
    },
    /// The loaded checkpoint does not allow a value; made by [`crate::Settings::checkpoint_error`].
    #[error("{at}: expected {expected} (from the checkpoint)")]
    Checkpoint {
        /// The place of the setting.
        at: Box<Place>,
        /// What the checkpoint allows.
        expected: String,
    },
}
