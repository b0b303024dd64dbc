//! The text files of a checkpoint: those in a folder, and those whose contents come from another file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint_file::read_checkpoint_text;
use crate::error::{ProcessorError, Result};

/// The source of the processor's settings: the files of a checkpoint folder by name. A format that
/// keeps everything in one file (GGUF) supplies the contents of files that do not exist.
#[derive(Debug, Clone)]
pub struct CheckpointFiles {
    folder: PathBuf,
    stated: BTreeMap<&'static str, Stated>,
}

/// Contents that replace a file.
#[derive(Debug, Clone)]
struct Stated {
    by: PathBuf,
    text: String,
}

impl CheckpointFiles {
    /// The names of all files that the processor may read.
    pub const NAMES: [&'static str; 10] = [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "chat_template.json",
        "additional_chat_templates/default.jinja",
        "processor_config.json",
        "preprocessor_config.json",
        "generation_config.json",
        "config.json",
    ];

    /// The files of a folder.
    pub fn of_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), stated: BTreeMap::new() }
    }

    /// Supplies the contents `text` of the file `name`, taken from the file `by`. A file of that name
    /// in the folder is then not read, and error messages name `by`.
    #[must_use]
    pub fn stating(mut self, name: &'static str, by: &Path, text: String) -> Self {
        self.stated.insert(name, Stated { by: by.to_owned(), text });
        self
    }

    /// The path that error messages about the file `name` show.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stated.get(name).map_or_else(|| self.folder.join(name), |stated| stated.by.clone())
    }

    /// The text of the file `name`, or `None` if there is no such file.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        debug_assert!(Self::NAMES.contains(&name), "{name} belongs into the list");
        if let Some(stated) = self.stated.get(name) {
            return Ok(Some(stated.text.clone()));
        }
        let path = self.folder.join(name);
        match read_checkpoint_text(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ProcessorError::Read { path, source }),
        }
    }

    /// The JSON in the file `name`, or `None` if there is no such file.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let parsed = serde_json::from_str(&text);
        parsed.map(Some).map_err(|source| ProcessorError::Json { path: self.path(name), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_not_read_from_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "1").unwrap();
        let files = CheckpointFiles::of_folder(folder.path());
        assert_eq!(files.json("config.json").unwrap(), Some(1.into()));
        assert_eq!(files.json("tokenizer.json").unwrap(), None);
        let by = folder.path().join("text.gguf");
        let files = files.stating("config.json", &by, "2".to_owned());
        assert_eq!(files.json("config.json").unwrap(), Some(2.into()));
        let files = files.stating("config.json", &by, "{".to_owned());
        assert!(files.json("config.json").unwrap_err().to_string().contains("text.gguf: not valid JSON"));
    }
}
