//! Files that are there whole or not at all, whenever the process or the machine dies.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::JournalError;

/// What the name of a file begins with that is being written.
pub const UNFINISHED: &str = ".unfinished-";
/// Larger than most writes, small beside a cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes what `write` gives into the file `path`, by way of a new file beside it that nobody else has: also where another
/// process, on whatever machine, writes the same one. A link at `path` is replaced, never followed.
///
/// # Errors
/// [`JournalError::Write`], with what `write` says or the system.
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
    // What a run writes is read by others, as any new file is.
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

/// Brings the names in a folder to the disk, where the system can.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// A folder cannot be opened there, and its names are on the disk when they are given.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the file `path` for reading and writing as it is, or makes it: only a file, and never what a link leads to.
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
    // Nobody may have put a link there in the meantime.
    if is_same_file(&file.metadata()?, &there) { Ok(file) } else { Err(not_a_file()) }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is a link, or no file: expected a file, or nothing yet")
}

/// Whether both are of one file.
#[cfg(unix)]
fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

/// The folder of a file that may be named without one.
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
