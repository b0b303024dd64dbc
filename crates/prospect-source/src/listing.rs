//! The files of a folder or a glob that are frames, their order, and the files that are left out.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::left_out::LeftOut;
use crate::{SourceError, walk};

const EXTENSIONS: [&str; 9] = ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "webp"];
/// The files that file managers put beside pictures and that do not begin with a dot.
const OF_FILE_MANAGERS: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// Image files in natural order of their names (`2.png` before `10.png`).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listing {
    pub(super) files: Vec<PathBuf>,
    pub(super) left_out: LeftOut,
}

impl Listing {
    /// The files of a folder, without its subfolders.
    pub(super) fn of_folder(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        let mut listing = Self::default();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            match is_hidden(&file) && !file.is_dir() {
                true => listing.left_out.hidden += 1,
                false => listing.add(file),
            }
        }
        Ok(listing.sorted())
    }

    /// The files of a glob. As in a shell, a name that begins with a dot matches only if the pattern has the
    /// dot.
    pub(super) fn of_pattern(pattern: &str) -> Result<Self, SourceError> {
        let mut files = paths_of_pattern(pattern)?;
        let parts = pattern.split(std::path::is_separator).filter(|part| part.starts_with('.'));
        let dotted: Vec<_> = parts.filter_map(|part| glob::Pattern::new(part).ok()).collect();
        let is_meant = |file: &Path| {
            let parts = file.iter().map(|part| part.to_string_lossy());
            parts
                .filter(|part| part.starts_with('.'))
                .all(|part| dotted.iter().any(|dotted| dotted.matches(&part)))
        };
        // Of several ways to a file the shortest.
        files.sort_by_key(|file| file.components().count());
        let (mut listing, mut folders, mut met) = (Self::default(), HashMap::new(), BTreeSet::new());
        for file in files {
            let is_new = met.insert(place(&file, &mut folders));
            match is_new && is_meant(&file) {
                true => listing.add(file),
                false if file.is_dir() => {}
                false if is_new => listing.left_out.hidden += 1,
                false => listing.left_out.again += 1,
            }
        }
        Ok(listing.sorted())
    }

    fn add(&mut self, file: PathBuf) {
        match std::fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) if metadata.is_file() && is_image(&file) => self.files.push(file),
            Ok(_) => self.left_out.others += 1,
            Err(_) => self.left_out.dangling += 1,
        }
    }

    fn sorted(mut self) -> Self {
        self.files.sort_by(|a, b| natural_order(&name(a), &name(b)).then_with(|| a.cmp(b)));
        self
    }
}

/// All paths that match a pattern, through all links.
fn paths_of_pattern(pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let wrong = |error: glob::PatternError| SourceError::Pattern {
        pattern: pattern.to_owned(),
        message: error.to_string(),
    };
    let Some((before, rest)) = walk::split(pattern) else {
        let paths = glob::glob(pattern).map_err(wrong)?;
        let path = |path: Result<PathBuf, glob::GlobError>| {
            path.map_err(|error| SourceError::Unreadable {
                path: error.path().to_owned(),
                source: error.into(),
            })
        };
        return paths.map(path).collect();
    };
    let rest = glob::Pattern::new(rest).map_err(wrong)?;
    let roots = if before.is_empty() { vec![PathBuf::new()] } else { paths_of_pattern(before)? };
    let mut files = Vec::new();
    for root in roots.iter().filter(|root| before.is_empty() || root.is_dir()) {
        files.extend(walk::files_below(root, &rest)?);
    }
    Ok(files)
}

/// The real folder of a file, and the name in it. A link to a file keeps its own name, as in a sequence that
/// shows a picture twice.
fn place(file: &Path, folders: &mut HashMap<PathBuf, PathBuf>) -> (PathBuf, String) {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let real = folders.entry(folder.to_owned());
    let real = real.or_insert_with(|| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
    (real.clone(), name(file))
}

fn is_hidden(path: &Path) -> bool {
    let name = name(path).to_lowercase();
    name.starts_with('.') || OF_FILE_MANAGERS.contains(&name.as_str())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Compares sequences of digits by their value, and everything else by its characters.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (run_a, run_b) = (digits(a), digits(b));
        if !run_a.is_empty() && !run_b.is_empty() {
            let (value_a, value_b) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
            match value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(value_b)) {
                Ordering::Equal => (a, b) = (&a[run_a.len()..], &b[run_b.len()..]),
                unequal => return unequal,
            }
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = ["f10.png", "f2.png", "f1.png", "f02b.png", "a.png"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a.png", "f1.png", "f2.png", "f02b.png", "f10.png"]);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: &str| std::fs::write(folder.path().join(name), b"").unwrap();
        let names =
            ["b10.jfif", "b9.JPE", "a.gif", "._a.gif", ".hidden.png", "Thumbs.db", "notes.txt", "IMG_1"];
        names.into_iter().for_each(touch);
        std::fs::create_dir(folder.path().join("more.png")).unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        let listing = Listing::of_folder(folder.path()).unwrap();
        let names: Vec<String> = listing.files.iter().map(|file| name(file)).collect();
        assert_eq!(names, ["a.gif", "b9.JPE", "b10.jfif"]);
        assert_eq!(
            listing.left_out.to_string(),
            "; left out: 3 hidden files, 2 files that are no images by their names"
        );
        assert_eq!(LeftOut::default().to_string(), "");
        let one = LeftOut { hidden: 1, dangling: 1, again: 1, others: 1 };
        assert_eq!(
            one.to_string(),
            "; left out: 1 hidden file, 1 link that leads nowhere, 1 file met again through a link, \
             1 file that is no image by its name"
        );
        let named = Listing::of_pattern(&folder.path().join("._*").display().to_string()).unwrap();
        assert_eq!((named.files.len(), named.left_out), (1, LeftOut::default()));
        let all = Listing::of_pattern(&folder.path().join("*.*g*").display().to_string()).unwrap();
        assert_eq!((all.files.len(), all.left_out), (1, LeftOut { hidden: 2, ..LeftOut::default() }));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_a_frame_once_however_many_ways_lead_to_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("inner")).unwrap();
        std::fs::write(at("inner/1.png"), b"").unwrap();
        // The same picture shown again is a frame of its own.
        symlink("1.png", at("inner/2.png")).unwrap();
        symlink(".", at("inner/loop")).unwrap();
        symlink("gone.png", at("inner/3.png")).unwrap();
        symlink("4.png", at("inner/4.png")).unwrap();
        let listing = Listing::of_pattern(&at("**/*.png").display().to_string()).unwrap();
        assert_eq!(listing.files, [at("inner/1.png"), at("inner/2.png")]);
        assert!(listing.left_out.again > 0, "{}", listing.left_out);
        assert_eq!((listing.left_out.dangling, listing.left_out.others), (2, 0));
        // Of two links to itself a folder has 2^40 ways through it.
        symlink(".", at("inner/again")).unwrap();
        let listing = Listing::of_pattern(&at("**/*.png").display().to_string()).unwrap();
        assert_eq!(listing.files, [at("inner/1.png"), at("inner/2.png")]);
    }
}
