//! Checkpoints in the local cache of the Hugging Face hub, by their id. Nothing is downloaded here.

use std::path::{Path, PathBuf};

/// What `name` stands for: a folder, or the newest snapshot of a hub id (`HuggingFaceTB/SmolVLM2-500M-Video-Instruct`) in the
/// hub's cache. `None` if it is neither.
pub fn resolve(name: &str) -> Option<PathBuf> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return Some(folder.to_owned());
    }
    snapshot(&cache_folder(|variable| std::env::var(variable).ok())?, name)
}

/// Where the hub's libraries keep what they download.
fn cache_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache/huggingface"));
    set("HF_HUB_CACHE").or_else(|| Some(set("HF_HOME").or_else(home)?.join("hub")))
}

/// The snapshot that `main` points at.
fn snapshot(cache: &Path, id: &str) -> Option<PathBuf> {
    let (owner, name) = id.split_once('/')?;
    let is_plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && part.chars().all(known) && !part.starts_with('.')
    };
    if !is_plain(owner) || !is_plain(name) {
        return None;
    }
    let repository = cache.join(format!("models--{owner}--{name}"));
    let revision = std::fs::read_to_string(repository.join("refs/main")).ok()?;
    Some(repository.join("snapshots").join(revision.trim())).filter(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_snapshot_in_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--owner--Model-1.5");
        std::fs::create_dir_all(repository.join("snapshots/abc123")).unwrap();
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        assert_eq!(snapshot(cache.path(), "owner/Model-1.5"), None);
        std::fs::write(repository.join("refs/main"), "abc123\n").unwrap();
        assert_eq!(snapshot(cache.path(), "owner/Model-1.5"), Some(repository.join("snapshots/abc123")));
        for other in ["owner/Model", "Model-1.5", "../owner/Model-1.5", "owner/..", "/", ""] {
            assert_eq!(snapshot(cache.path(), other), None, "{other}");
        }
    }

    #[test]
    fn the_cache_is_where_the_variables_say() {
        let with = |pairs: &'static [(&str, &str)]| {
            cache_folder(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
        };
        assert_eq!(with(&[("HOME", "/home/a")]), Some("/home/a/.cache/huggingface/hub".into()));
        assert_eq!(with(&[("HOME", "/home/a"), ("HF_HOME", "/big")]), Some("/big/hub".into()));
        assert_eq!(with(&[("HF_HOME", "/big"), ("HF_HUB_CACHE", "/hub")]), Some("/hub".into()));
        assert_eq!(with(&[]), None);
    }
}
