//! The layers of settings: defaults, preset, file, `--set`, flags.

use std::path::Path;

use crate::camera::{self, CameraSettings};
use crate::error::SettingsError;
use crate::origin::Origin;
use crate::presets::Preset;
use crate::raw::Raw;
use crate::settings::Settings;

/// The embedded `configs/default.toml`: every key that has a default, with its meaning.
pub const DEFAULT_CONFIG: &str = include_str!("../../../configs/default.toml");

/// The embedded `configs/workbench.toml`: the settings of the small model in fixtures/.
pub const WORKBENCH_CONFIG: &str = include_str!("../../../configs/workbench.toml");

/// Collects the layers. Their order of strength is fixed: default < preset < file < `--set` < flag. If two
/// values of the same strength are set, the later call wins.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    raw: Raw,
    cameras: Vec<CameraSettings>,
}

impl Layers {
    /// The defaults alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The defaults alone, with these keys.
    #[cfg(test)]
    pub(crate) fn under(keys: &'static crate::keys::Keys) -> Self {
        Self { raw: Raw::under(keys), cameras: Vec::new() }
    }

    /// Adds a TOML file.
    ///
    /// # Errors
    /// [`SettingsError::Unreadable`], and those of [`Layers::file_text`].
    pub fn file(self, path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        self.file_text(path, &text)
    }

    /// Adds the text of a TOML file; `path` is the name that errors use.
    ///
    /// # Errors
    /// [`SettingsError::Syntax`], [`SettingsError::UnknownKey`], [`SettingsError::NotASection`], and the
    /// errors of cameras.
    pub fn file_text(self, path: &Path, text: &str) -> Result<Self, SettingsError> {
        self.toml(text, &Origin::File(path.to_owned()))
    }

    /// Adds a preset: stronger than the defaults, weaker than a file.
    ///
    /// # Errors
    /// [`SettingsError::NoPreset`].
    pub fn preset(self, name: &str) -> Result<Self, SettingsError> {
        let preset = Preset::find(name)?;
        self.toml(preset.text, &Origin::Preset(preset.name))
    }

    /// Adds one `--set` argument, `section.key=value`. The value is a TOML value or a bare string.
    ///
    /// # Errors
    /// [`SettingsError::MalformedSet`], [`SettingsError::UnknownKey`], [`SettingsError::NotASection`].
    pub fn set(mut self, argument: &str) -> Result<Self, SettingsError> {
        let parts = argument.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = parts.filter(|(key, _)| !key.is_empty()) else {
            return Err(SettingsError::MalformedSet { text: argument.escape_debug().to_string() });
        };
        self.raw.insert_text(key, value, &Origin::Set)?;
        Ok(self)
    }

    /// Adds a flag that sets a key, as in `("--strategy", "context.strategy", "drop_all")`. Errors name the
    /// flag.
    ///
    /// # Errors
    /// [`SettingsError::UnknownKey`], [`SettingsError::NotASection`].
    pub fn flag(mut self, flag: &str, key: &str, value: &str) -> Result<Self, SettingsError> {
        self.raw.insert_text(key, value, &Origin::Flag(flag.to_owned()))?;
        Ok(self)
    }

    /// The cameras of the files. They are not settings of a stream.
    pub fn cameras(&self) -> &[CameraSettings] {
        &self.cameras
    }

    /// The cameras as TOML. `shown` gives the text that is written for a source, which may hold a password.
    pub fn cameras_to_toml(&self, shown: impl Fn(&str) -> String) -> String {
        camera::to_toml(&self.cameras, shown)
    }

    /// Merges the layers over the defaults and checks everything that can be checked without a checkpoint.
    ///
    /// # Errors
    /// The first setting that is refused, see [`SettingsError`].
    pub fn resolve(self) -> Result<Settings, SettingsError> {
        let layers = self.toml(DEFAULT_CONFIG, &Origin::Default)?;
        Settings::validate(layers.raw)
    }

    fn toml(mut self, text: &str, origin: &Origin) -> Result<Self, SettingsError> {
        let mut table = text.parse::<toml::Table>().map_err(|error| syntax(text, &error, origin))?;
        self.cameras.extend(camera::taken(&mut table, origin)?);
        self.raw.insert_table(table, origin)?;
        Ok(self)
    }
}

fn syntax(text: &str, error: &toml::de::Error, origin: &Origin) -> SettingsError {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    SettingsError::Syntax { origin: origin.clone(), line, column, reason }
}
