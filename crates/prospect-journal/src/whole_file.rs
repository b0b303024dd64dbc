//! Files that are either complete or absent, even if the process or the machine dies.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::JournalError;

/// Prefix of the name of a file that is not complete yet.
pub const UNFINISHED: &str = ".unfinished-";
/// Buffer size: larger than most files, small compared with a KV cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes the output of `write` into the file `path`. The bytes go to a new file beside it with a
/// unique name, which then replaces `path`. This is safe even if another process or machine writes the
/// same file. A link at `path` is replaced and never followed.
///
/// # Errors
/// [`JournalError::Write`], with the error of `write` or of the operating system.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), JournalError> {
    let written = unfinished(path).and_then(|mut file| {
        write(&mut file)?;
        finish(file, path)
    });
    written.map_err(|source| JournalError::Write { path: path.to_owned(), source })
}

fn unfinished(path: &Path) -> io::Result<BufWriter<NamedTempFile>> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // The file gets the usual permissions of a new file, so that others can read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Ok(BufWriter::with_capacity(BUFFER_BYTES, builder.tempfile_in(folder)?))
}

fn finish(file: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
}

/// Flushes the entries of a folder to the disk, where the operating system can do so.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// This operating system cannot open a folder; it writes the entries to the disk itself.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the file `path` for reading and writing with its contents, or creates it. Anything but a
/// regular file is refused; links are not followed.
pub(crate) fn open_in_place(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::File::options();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let there = fs::symlink_metadata(path)?;
    if !there.is_file() {
        return Err(not_a_file());
    }
    let file = options.open(path)?;
    // A link may have been put at `path` between the check and the opening.
    if is_same_file(&file.metadata()?, &there) { Ok(file) } else { Err(not_a_file()) }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is a link, or no file: expected a file, or nothing yet")
}

/// Whether both describe the same file.
#[cfg(unix)]
fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

/// The folder of `path`; the current folder if `path` is only a name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), JournalError> {
        write_whole(path, |to| to.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("report.html");
        put(&path, "a long first text").unwrap();
        put(&path, "short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
        let failed = write_whole(&path, |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.unwrap_err().to_string().ends_with("report.html: the disk is full"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("precious"), folder.path().join("x.ck"));
        fs::write(&target, "precious").unwrap();
        for name in ["x.ck", "x.ck.part"] {
            std::os::unix::fs::symlink(&target, folder.path().join(name)).unwrap();
        }
        put(&link, "ours").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(!link.is_symlink() && fs::read_to_string(&link).unwrap() == "ours");
        assert!(open_in_place(&folder.path().join("x.ck.part")).is_err());
        open_in_place(&link).unwrap();
        open_in_place(&folder.path().join("new")).unwrap();
    }
}
