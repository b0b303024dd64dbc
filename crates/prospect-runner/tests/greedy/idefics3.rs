//! The first SmolVLM: `model_type: idefics3`, its processor, a tokenizer without tokens for tiles, and other names of tensors.

use std::path::Path;

use prospect_processor::Processor;
use serde_json::Value;

use crate::support::{cases, check, goldens};

fn checkpoint() -> std::path::PathBuf {
    goldens().join("checkpoints/idefics3")
}

#[test]
fn an_idefics3_checkpoint_says_what_transformers_says() {
    check(&checkpoint(), &cases("idefics3"));
    assert_eq!(Processor::from_dir(&checkpoint()).unwrap().special().global_image, None);
}

/// A copy whose tensors have other names.
fn renamed(rename: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(checkpoint()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    rename_tensors(&folder.path().join("model.safetensors"), rename);
    folder
}

fn rename_tensors(file: &Path, rename: impl Fn(&str) -> String) {
    let bytes = std::fs::read(file).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&bytes[8..end]).unwrap();
    let header: serde_json::Map<String, Value> =
        header.into_iter().map(|(name, info)| (rename(&name), info)).collect();
    let header = serde_json::to_vec(&header).unwrap();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(file, [&length[..], &header, &bytes[end..]].concat()).unwrap();
}

#[test]
fn other_names_in_use_are_the_same_tensors() {
    let cases = &cases("idefics3")[..2];
    // The model without its head, saved alone, and the head added.
    check(renamed(|name| name.trim_start_matches("model.").to_owned()).path(), cases);
    // As training code saved it.
    let training =
        renamed(|name| name.replace("model.text_model.", "model.").replace("model.connector.", "model."));
    check(training.path(), cases);
}
