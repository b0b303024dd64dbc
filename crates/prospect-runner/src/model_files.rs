//! The files of a model: a checkpoint folder, or a pair of GGUF files.

use std::path::{Path, PathBuf};

use prospect_hub::WeightFiles;
use prospect_journal::{JournalError, Stamp};
use prospect_model::{GgufCheckpoint, ModelConfig, ModelError, Placement, SmolVlm};
use prospect_processor::{CheckpointFiles, Processor};

use crate::error::RunError;
use crate::gguf_pair::{GgufPair, PairError};

/// Files of weights by which a folder is recognized as a checkpoint, whatever else it contains.
const SAFETENSORS: [&str; 2] = ["model.safetensors", "model.safetensors.index.json"];

/// The files of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFiles {
    /// A checkpoint folder.
    Folder(PathBuf),
    /// A pair of GGUF files.
    Gguf(GgufPair),
}

impl ModelFiles {
    /// The files that `name` refers to on this disk: a folder, or GGUF files as in [`GgufPair::named`].
    /// `None` if there are none.
    ///
    /// # Errors
    /// [`PairError`]: GGUF files do not form a pair.
    pub fn named(name: &str) -> Result<Option<Self>, PairError> {
        match Path::new(name).is_dir() {
            true => Self::in_folder(Path::new(name)).map(Some),
            false => Ok(GgufPair::named(name)?.map(Self::Gguf)),
        }
    }

    /// The model in a folder: the folder as a checkpoint, or a pair of GGUF files in it.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn in_folder(folder: &Path) -> Result<Self, PairError> {
        let pair = match SAFETENSORS.iter().any(|name| folder.join(name).exists()) {
            true => None,
            false => GgufPair::in_folder(folder)?,
        };
        Ok(pair.map_or_else(|| Self::Folder(folder.to_owned()), Self::Gguf))
    }

    /// The path by which people identify the model.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Gguf(pair) => &pair.text,
        }
    }

    /// The folder's name, or the text model's file name without its extension.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Folder(folder) => folder.file_name(),
            Self::Gguf(pair) => pair.text.file_stem(),
        };
        name.map_or_else(|| self.path().display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// The configuration, without reading weights.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn config(&self) -> Result<ModelConfig, ModelError> {
        match self {
            Self::Folder(folder) => ModelConfig::from_dir(folder),
            Self::Gguf(GgufPair { text, projector }) => {
                Ok(GgufCheckpoint::open(text, projector)?.config().clone())
            }
        }
    }

    /// Number and size of the weight files, if known.
    pub fn weights(&self) -> Option<WeightFiles> {
        match self {
            Self::Folder(folder) => WeightFiles::in_folder(folder),
            Self::Gguf(GgufPair { text, projector }) => {
                let bytes = [text, projector].into_iter().map(|path| Some(path.metadata().ok()?.len()));
                Some(WeightFiles { files: 2, bytes: bytes.sum::<Option<u64>>()?, downloaded: true })
            }
        }
    }

    /// The tensor formats of GGUF files.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub fn formats(&self) -> Result<Vec<&'static str>, ModelError> {
        match self {
            Self::Folder(_) => Ok(Vec::new()),
            Self::Gguf(GgufPair { text, projector }) => {
                Ok(GgufCheckpoint::open(text, projector)?.formats().into_iter().collect())
            }
        }
    }

    /// The model's processor.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn processor(&self) -> Result<Processor, RunError> {
        Ok(match self {
            Self::Folder(folder) => Processor::from_dir(folder)?,
            Self::Gguf(GgufPair { text, projector }) => {
                Processor::from_files(GgufCheckpoint::open(text, projector)?.files())?
            }
        })
    }

    /// Loads the model.
    ///
    /// # Errors
    /// As [`Self::processor`]; the machine cannot compute as `placement` asks.
    pub fn model(&self, placement: Placement) -> Result<SmolVlm, ModelError> {
        match self {
            Self::Folder(folder) => SmolVlm::load_with(folder, placement),
            Self::Gguf(GgufPair { text, projector }) => {
                SmolVlm::load_gguf(GgufCheckpoint::open(text, projector)?, placement)
            }
        }
    }

    /// Identifies the model by contents: of the folder, or of the GGUF files and the files beside them
    /// that can take precedence.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn stamp(&self) -> Result<Stamp, JournalError> {
        match self {
            Self::Folder(folder) => Stamp::of(folder),
            Self::Gguf(GgufPair { text, projector }) => {
                let folder = text.parent().unwrap_or(Path::new(""));
                let others = CheckpointFiles::NAMES.iter().map(|name| folder.join(name));
                let others = others.filter(|path| path.is_file());
                Stamp::of_all([text.clone(), projector.clone()].into_iter().chain(others))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_folder_stays_one_beside_gguf_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), name).unwrap();
        assert_eq!(ModelFiles::in_folder(folder.path()).unwrap().path(), folder.path());
        ["m.gguf", "mmproj-m.gguf"].into_iter().for_each(write);
        let pair = ModelFiles::in_folder(folder.path()).unwrap();
        assert_eq!((pair.name(), pair.weights().unwrap().bytes), ("m".to_owned(), 19));
        write("model.safetensors");
        let name = folder.path().display().to_string();
        assert_eq!(ModelFiles::named(&name).unwrap().unwrap().path(), folder.path());
    }

    #[test]
    fn what_may_count_beside_a_pair_is_part_of_its_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        ["m.gguf", "mmproj-m.gguf"].into_iter().for_each(|name| write(name, name));
        let pair = ModelFiles::in_folder(folder.path()).unwrap();
        let alone = pair.stamp().unwrap();
        write("notes.txt", "");
        assert_eq!(pair.stamp().unwrap(), alone);
        write("tokenizer.json", "{}");
        assert_ne!(pair.stamp().unwrap(), alone);
    }
}
