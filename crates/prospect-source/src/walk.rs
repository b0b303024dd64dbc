//! Finds the files of a pattern with `**`. The walk is our own, because a folder with two links to itself has
//! more paths through it than can be walked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf, is_separator};
use std::rc::Rc;

use glob::{MatchOptions, Pattern};

use super::SourceError;

/// The most folders that are searched behind links. Without links no folder is found twice.
const MOST_LINKED: usize = 10_000;

/// The options of patterns: a `*` stays within one name, as in a shell.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A folder on the path of the walk.
struct Folder {
    /// The path from the begin of the walk.
    path: PathBuf,
    real: PathBuf,
    above: Option<Rc<Folder>>,
    /// Whether a link leads to it, or to one above it.
    linked: bool,
    /// Whether the folder contains itself. Its files are found again, and nothing below it is searched.
    again: bool,
}

impl Folder {
    /// Whether this folder, or one above it, is `real`.
    fn is_within(&self, real: &Path) -> bool {
        let mut folder = Some(self);
        while let Some(current) = folder {
            if current.real == real {
                return true;
            }
            folder = current.above.as_deref();
        }
        false
    }
}

/// Splits a pattern at its first `**`; `None` if it has none.
pub(super) fn split(pattern: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    for part in pattern.split_inclusive(is_separator) {
        if part.trim_end_matches(is_separator) == "**" {
            return Some(pattern.split_at(at));
        }
        at += part.len();
    }
    None
}

/// All files below `root` whose path from there matches `rest`, those with short paths first.
pub(super) fn files_below(root: &Path, rest: &Pattern) -> Result<Vec<PathBuf>, SourceError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Unreadable { path, source }
    };
    let here = |path: &Path| if path == Path::new("") { PathBuf::from(".") } else { path.to_owned() };
    let (mut files, mut linked_folders) = (Vec::new(), 0);
    let real = here(root).canonicalize().map_err(unreadable(root))?;
    let first = Folder { path: PathBuf::new(), real, above: None, linked: false, again: false };
    let mut folders = VecDeque::from([Rc::new(first)]);
    while let Some(folder) = folders.pop_front() {
        let shown = root.join(&folder.path);
        linked_folders += usize::from(folder.linked);
        if linked_folders > MOST_LINKED {
            let error = format!("more than {MOST_LINKED} ways lead on through links: expected fewer");
            return Err(unreadable(&shown)(std::io::Error::other(error)));
        }
        for entry in std::fs::read_dir(here(&shown)).map_err(unreadable(&shown))? {
            let entry = entry.map_err(unreadable(&shown))?;
            let (path, full) = (folder.path.join(entry.file_name()), shown.join(entry.file_name()));
            let kind = entry.file_type().map_err(unreadable(&full))?;
            let linked = kind.is_symlink() && full.is_dir();
            if !linked && !kind.is_dir() {
                if rest.matches_path_with(&path, OPTIONS) {
                    files.push(full);
                }
            } else if !folder.again {
                let real = match linked {
                    true => full.canonicalize().map_err(unreadable(&full))?,
                    false => folder.real.join(entry.file_name()),
                };
                let (again, above) = (folder.is_within(&real), Some(Rc::clone(&folder)));
                let linked = linked || folder.linked;
                folders.push_back(Rc::new(Folder { path, real, above, linked, again }));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_split_at_its_first_double_star() {
        assert_eq!(split("a/*/**/b/**"), Some(("a/*/", "**/b/**")));
        assert_eq!(split("**"), Some(("", "**")));
        assert_eq!(split("/**/x"), Some(("/", "**/x")));
        assert_eq!(split("a/*.png"), None);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_are_not_followed_for_ever() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("x/y")).unwrap();
        std::fs::write(at("x/y/1.png"), b"").unwrap();
        symlink(".", at("a")).unwrap();
        symlink(folder.path(), at("x/b")).unwrap();
        let images = Pattern::new("**/*.png").unwrap();
        assert_eq!(files_below(folder.path(), &images).unwrap(), [at("x/y/1.png")]);
        // Twenty folders, each of which leads to the next on two ways.
        let ladder = tempfile::tempdir().unwrap();
        for step in 0..20 {
            let here = ladder.path().join(step.to_string());
            std::fs::create_dir(&here).unwrap();
            for name in ["a", "b"] {
                symlink(format!("../{}", step + 1), here.join(name)).unwrap();
            }
        }
        std::fs::create_dir(ladder.path().join("20")).unwrap();
        let error = files_below(ladder.path(), &images).unwrap_err().to_string();
        assert!(error.contains("ways lead on through links"), "{error}");
    }
}
