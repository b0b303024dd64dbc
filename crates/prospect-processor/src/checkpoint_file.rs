//! Opens files of a checkpoint folder, and refuses what is not the real file.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

/// Longest text file of a checkpoint, in bytes. Tokenizers with 250,000 tokens have 35 MB.
const MOST_TEXT_BYTES: u64 = 256 << 20;
/// First bytes of a Git LFS pointer.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Why a file of a checkpoint folder is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFileError {
    /// It is a named pipe, a device, a socket or a folder. Reading it might never end.
    #[error("it is {found}: expected a file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// It is a Git LFS pointer, which stands for the contents until `git lfs pull` fetches them.
    #[error(
        "it is a Git LFS pointer, not the file itself: expected its contents (`git lfs pull` in the folder gets them)"
    )]
    LfsPointer,
    /// The text is longer than in any real checkpoint.
    #[error("it has {bytes} bytes: expected at most {most}")]
    TooLong {
        /// Length in bytes.
        bytes: u64,
        /// Limit in bytes.
        most: u64,
    },
}

impl From<CheckpointFileError> for io::Error {
    fn from(error: CheckpointFileError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Opens a file of a checkpoint folder. Links are followed, because the hub's cache consists of links.
///
/// # Errors
/// The error of the operating system, or a [`CheckpointFileError`] inside an [`io::Error`]. The kind of
/// file is checked before opening, since opening a named pipe would wait for a writer.
pub fn open_checkpoint_file(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() {
        let found = if kind.is_dir() { "a folder" } else { "a pipe or a device" };
        return Err(CheckpointFileError::NotAFile { found }.into());
    }
    let mut file = File::open(path)?;
    let mut head = [0; LFS_POINTER.len()];
    if file.read_exact(&mut head).is_ok() && head == LFS_POINTER {
        return Err(CheckpointFileError::LfsPointer.into());
    }
    file.rewind()?;
    Ok(file)
}

/// Reads a text file of a checkpoint folder.
///
/// # Errors
/// As [`open_checkpoint_file`]; a text of more than 256 MiB; bytes that are not UTF-8.
pub fn read_checkpoint_text(path: &Path) -> io::Result<String> {
    let file = open_checkpoint_file(path)?;
    let bytes = file.metadata()?.len();
    if bytes > MOST_TEXT_BYTES {
        return Err(CheckpointFileError::TooLong { bytes, most: MOST_TEXT_BYTES }.into());
    }
    let mut text = String::new();
    file.take(MOST_TEXT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(path: &Path) -> String {
        open_checkpoint_file(path).unwrap_err().to_string()
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(complaint(folder.path()), "it is a folder: expected a file");
    }

    /// Elsewhere a link wants a permission of its own, and devices have other names.
    #[cfg(unix)]
    #[test]
    fn a_device_is_not_opened_and_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(complaint(Path::new("/dev/zero")).starts_with("it is a pipe or a device"));
        let (file, link) = (folder.path().join("blob"), folder.path().join("config.json"));
        std::fs::write(&file, "{}").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_checkpoint_text(&link).unwrap(), "{}");
    }

    #[test]
    fn a_pointer_says_what_it_is_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        std::fs::write(&file, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 67\n")
            .unwrap();
        assert!(complaint(&file).contains("Git LFS pointer") && complaint(&file).contains("git lfs pull"));
        std::fs::write(&file, "version").unwrap();
        assert_eq!(read_checkpoint_text(&file).unwrap(), "version");
    }

    #[test]
    fn a_text_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::File::create(&path).unwrap().set_len(MOST_TEXT_BYTES + 1).unwrap();
        assert!(read_checkpoint_text(&path).unwrap_err().to_string().contains("at most 268435456"));
    }
}
