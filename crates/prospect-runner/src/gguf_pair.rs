//! Finds pairs of GGUF files on the disk: a text model and its projector.

use std::io;
use std::path::{Path, PathBuf};

/// Prefix of the name of a file with vision tower and connector.
const PROJECTOR: &str = "mmproj";

/// A model in two GGUF files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufPair {
    /// The file with decoder and vocabulary.
    pub text: PathBuf,
    /// The file with vision tower and connector.
    pub projector: PathBuf,
}

/// Why GGUF files do not form a pair.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A folder cannot be listed.
    #[error("cannot read {}: {source}", folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A text model has no projector.
    #[error(
        "--model: {}: no mmproj-*.gguf beside it: expected vision tower and connector there, or TEXT.gguf,MMPROJ.gguf",
        text.display()
    )]
    NoProjector {
        /// Path of the text model.
        text: PathBuf,
    },
    /// Several projectors could belong to a text model.
    #[error("--model: {}: beside it are {found:?}: expected one of them as TEXT.gguf,MMPROJ.gguf", text.display())]
    Projectors {
        /// Path of the text model.
        text: PathBuf,
        /// Names of the projectors.
        found: Vec<String>,
    },
    /// A folder contains several text models.
    #[error("--model: {}: it holds {found:?}: expected the path of one of them", folder.display())]
    TextModels {
        /// The folder.
        folder: PathBuf,
        /// Names of the text models.
        found: Vec<String>,
    },
    /// A projector has no text model.
    #[error("--model: {}: it holds vision tower and connector alone: expected the text model's file", path.display())]
    NoTextModel {
        /// The file, or its folder.
        path: PathBuf,
    },
}

impl GgufPair {
    /// The pair that `name` refers to: `TEXT.gguf` with `mmproj-*.gguf` beside it, or
    /// `TEXT.gguf,MMPROJ.gguf`. `None` if `name` does not refer to GGUF files.
    ///
    /// # Errors
    /// [`PairError`]: the files do not form a pair.
    pub fn named(name: &str) -> Result<Option<Self>, PairError> {
        let path = Path::new(name);
        if path.is_file() && is_gguf(name) {
            return Self::beside(path).map(Some);
        }
        // The separating comma follows the extension of the first file, since a folder's name may
        // contain commas.
        let Some(at) = name.to_ascii_lowercase().find(".gguf,").filter(|_| is_gguf(name)) else {
            return Ok(None);
        };
        let (text, projector) = name.split_at(at + ".gguf".len());
        Ok(Some(Self { text: text.into(), projector: projector.trim_start_matches(',').into() }))
    }

    /// The pair in a folder; `None` if the folder has no GGUF file.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, PairError> {
        let (projectors, found): (Vec<_>, Vec<_>) =
            gguf_names(folder)?.into_iter().partition(|name| is_projector(name));
        match found.as_slice() {
            [] if projectors.is_empty() => Ok(None),
            [] => Err(PairError::NoTextModel { path: folder.to_owned() }),
            [text] => Self::beside(&folder.join(text)).map(Some),
            _ => Err(PairError::TextModels { folder: folder.to_owned(), found }),
        }
    }

    /// A text model with a projector beside it: the one with the same name, or the only one.
    fn beside(text: &Path) -> Result<Self, PairError> {
        let name = text.file_name().unwrap_or_default().to_string_lossy();
        if is_projector(&name) {
            return Err(PairError::NoTextModel { path: text.to_owned() });
        }
        let folder = match text.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut found = gguf_names(folder)?;
        found.retain(|name| is_projector(name));
        let own = format!("{PROJECTOR}-{name}");
        let text = text.to_owned();
        match found.as_slice() {
            [] => Err(PairError::NoProjector { text }),
            [only] => Ok(Self { projector: text.with_file_name(only), text }),
            several if several.contains(&own) => Ok(Self { projector: text.with_file_name(own), text }),
            _ => Err(PairError::Projectors { text, found }),
        }
    }
}

/// Names of the GGUF files in a folder, sorted.
fn gguf_names(folder: &Path) -> Result<Vec<String>, PairError> {
    let failed = |source| PairError::Read { folder: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if is_gguf(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_gguf(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

fn is_projector(name: &str) -> bool {
    name.get(..PROJECTOR.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(PROJECTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        folder
    }

    /// The names of the pair, or what is wrong, without the folder.
    fn found(folder: &tempfile::TempDir, name: &str) -> String {
        let place = folder.path().display().to_string();
        let pair = match name {
            "@" => GgufPair::in_folder(folder.path()),
            _ => GgufPair::named(&name.replace('@', &place)),
        };
        match pair {
            Ok(Some(GgufPair { text, projector })) => format!("{} + {}", text.display(), projector.display()),
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        }
        .replace(&place, "@")
    }

    #[test]
    fn a_pair_is_found_by_one_name() {
        let folder = folder_of(&["m-Q8_0.gguf", "mmproj-m-f16.gguf"]);
        let pair = "@/m-Q8_0.gguf + @/mmproj-m-f16.gguf";
        for name in ["@", "@/m-Q8_0.gguf", "@/m-Q8_0.gguf,@/mmproj-m-f16.gguf"] {
            assert_eq!(found(&folder, name), pair);
        }
    }

    #[test]
    fn of_several_projectors_the_one_of_the_same_name_counts() {
        let names = ["m-Q8_0.gguf", "m-Q4_K.gguf", "mmproj-m-Q8_0.gguf", "mmproj-m-f16.gguf"];
        let folder = folder_of(&names);
        assert_eq!(found(&folder, "@/m-Q8_0.gguf"), "@/m-Q8_0.gguf + @/mmproj-m-Q8_0.gguf");
        let ambiguous = r#"beside it are ["mmproj-m-Q8_0.gguf", "mmproj-m-f16.gguf"]: expected one of them"#;
        assert!(found(&folder, "@/m-Q4_K.gguf").contains(ambiguous));
        let both = r#"it holds ["m-Q4_K.gguf", "m-Q8_0.gguf"]: expected the path of one of them"#;
        assert!(found(&folder, "@").contains(both), "{}", found(&folder, "@"));
    }

    #[test]
    fn half_a_pair_says_what_is_missing() {
        let folder = folder_of(&["m.gguf"]);
        assert!(found(&folder, "@").contains("@/m.gguf: no mmproj-*.gguf beside it"));
        let folder = folder_of(&["mmproj-m.gguf"]);
        for name in ["@", "@/mmproj-m.gguf"] {
            assert!(found(&folder, name).contains("vision tower and connector alone"));
        }
        assert_eq!(found(&folder, "@/other.gguf"), "nothing");
        assert_eq!(found(&folder, "OWNER/NAME"), "nothing");
        assert_eq!(found(&folder_of(&["model.safetensors"]), "@"), "nothing");
    }
}
