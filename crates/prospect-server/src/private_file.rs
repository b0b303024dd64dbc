//! Files that only the server's user may read, because they may contain passwords of cameras.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Makes a folder that only the server's user can open, whoever may read the files in it.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Writes a file through a temporary file whose name begins with a dot, so that the file is complete at
/// any moment.
pub(crate) fn write_private(folder: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}"));
    // A temporary file of an earlier server may have another mode or be a link.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_reads_it_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, left) = (folder.path().join("x.json"), folder.path().join(".x.json"));
        for file in [&path, &left] {
            std::fs::write(file, "readable").unwrap();
            std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
        }
        write_private(folder.path(), "x.json", b"secret").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!left.exists());
    }
}
