//! Damaged files, and what has to be said of them: what fuzz tests of several crates share.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "test helpers; each test file uses some of them"
)]

use std::fmt::Display;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::mutations::{Mutation, mutate};

/// A path in the folder of the crate that is tested.
pub fn here(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file with a few changes, under a name with the same ending.
pub fn changed(path: &Path, changes: &[Mutation]) -> (TempDir, PathBuf) {
    let mut bytes = std::fs::read(path).unwrap();
    mutate(&mut bytes, changes);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(path.file_name().unwrap());
    std::fs::write(&file, bytes).unwrap();
    (folder, file)
}

pub fn one_line(error: &impl Display) -> Result<(), TestCaseError> {
    let text = error.to_string();
    prop_assert_eq!(text.lines().count(), 1, "{}", text);
    Ok(())
}
