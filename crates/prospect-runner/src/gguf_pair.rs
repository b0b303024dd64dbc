//! Pairs of GGUF files on this disk: which projector goes with a text model.

use std::io;
use std::path::{Path, PathBuf};

/// How the name of a file begins that holds vision tower and connector.
const PROJECTOR: &str = "mmproj";

/// A model in two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufPair {
    /// Decoder and vocabulary.
    pub text: PathBuf,
    /// Vision tower and connector.
    pub projector: PathBuf,
}

/// Why GGUF files are no pair.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A folder that cannot be looked into.
    #[error("cannot read {}: {source}", folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A text model alone.
    #[error(
        "--model: {}: no mmproj-*.gguf beside it: expected vision tower and connector there, or TEXT.gguf,MMPROJ.gguf",
        text.display()
    )]
    NoProjector {
        /// The text model.
        text: PathBuf,
    },
    /// More than one file that could go with a text model.
    #[error("--model: {}: beside it are {found:?}: expected one of them as TEXT.gguf,MMPROJ.gguf", text.display())]
    Projectors {
        /// The text model.
        text: PathBuf,
        /// What could go with it.
        found: Vec<String>,
    },
    /// A folder of several text models.
    #[error("--model: {}: it holds {found:?}: expected the path of one of them", folder.display())]
    TextModels {
        /// The folder.
        folder: PathBuf,
        /// The text models.
        found: Vec<String>,
    },
    /// Vision tower and connector alone.
    #[error("--model: {}: it holds vision tower and connector alone: expected the text model's file", path.display())]
    NoTextModel {
        /// The file, or the folder that it lies in.
        path: PathBuf,
    },
}

impl GgufPair {
    /// The pair that `name` stands for: `TEXT.gguf` with `mmproj-*.gguf` beside it, or `TEXT.gguf,MMPROJ.gguf`; `None` if it stands
    /// for none.
    ///
    /// # Errors
    /// Files that are no pair.
    pub fn named(name: &str) -> Result<Option<Self>, PairError> {
        let path = Path::new(name);
        if path.is_file() && is_gguf(name) {
            return Self::beside(path).map(Some);
        }
        // The comma is the one behind the first file's ending: a folder's name may have others.
        let Some(at) = name.to_ascii_lowercase().find(".gguf,").filter(|_| is_gguf(name)) else {
            return Ok(None);
        };
        let (text, projector) = name.split_at(at + ".gguf".len());
        Ok(Some(Self { text: text.into(), projector: projector.trim_start_matches(',').into() }))
    }

    /// The pair in a folder; `None` if no GGUF file is in it.
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

    /// A text model with what lies beside it: the projector of the same name, or the only one.
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

/// The GGUF files of a folder, in order.
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
