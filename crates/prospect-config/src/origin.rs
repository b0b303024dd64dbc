//! The layer in which a setting was written.

use std::fmt;
use std::path::PathBuf;

/// The layer that wrote a setting. Later variants override earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The embedded `configs/default.toml`.
    Default,
    /// A preset, by its name.
    Preset(&'static str),
    /// A TOML file.
    File(PathBuf),
    /// `--set section.key=value`.
    Set,
    /// A command line flag, by its name (`--strategy`).
    Flag(String),
}

impl Origin {
    /// The strength of the layer. A stronger layer overrides a weaker one. Of two equal layers, the later one
    /// overrides.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Preset(_) => 1,
            Self::File(_) => 2,
            Self::Set => 3,
            Self::Flag(_) => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default settings"),
            Self::Preset(name) => write!(f, "--preset {name}"),
            Self::File(path) => write!(f, "{}", path.display().to_string().escape_debug()),
            Self::Set => f.write_str("--set"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}
