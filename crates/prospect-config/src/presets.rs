//! Presets: named sets of settings, as in `--preset watch`.

use crate::error::SettingsError;
use crate::keys;

/// Settings for one kind of use. A preset is a layer between the defaults and a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name of the preset.
    pub name: &'static str,
    /// What the preset does and for which checkpoints, in one line.
    pub description: &'static str,
    /// The text of the preset's file in `configs/`.
    pub text: &'static str,
}

macro_rules! preset {
    ($name:literal, $file:literal, $description:literal) => {
        Preset {
            name: $name,
            description: $description,
            text: include_str!(concat!("../../../configs/", $file)),
        }
    };
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 5] = [
        preset!(
            "watch",
            "presets/watch.toml",
            "asks a question when the picture changes; for any published checkpoint"
        ),
        preset!(
            "guide",
            "presets/guide.toml",
            "asks for the step of a task, and speaks when it changes; for any published checkpoint"
        ),
        preset!(
            "caption",
            "presets/caption.toml",
            "describes every ten seconds what happens; for any published checkpoint"
        ),
        preset!(
            "proassist",
            "proassist.toml",
            "lets the model decide when it speaks, by ProAssist's rules; for checkpoints trained to stay silent"
        ),
        preset!("workbench", "workbench.toml", "the settings of the repository's small model"),
    ];

    /// Finds the preset with this name.
    ///
    /// # Errors
    /// [`SettingsError::NoPreset`], with the nearest name.
    pub fn find(name: &str) -> Result<Self, SettingsError> {
        let names = || Self::ALL.iter().map(|preset| preset.name);
        Self::ALL.into_iter().find(|preset| preset.name == name).ok_or_else(|| SettingsError::NoPreset {
            name: name.escape_debug().to_string(),
            near: keys::nearest(name, names())
                .map(|near| format!(" (did you mean {near:?}?)"))
                .unwrap_or_default(),
            known: names().collect::<Vec<_>>().join(", "),
        })
    }
}
