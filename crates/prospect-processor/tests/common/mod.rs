//! A checkpoint folder that tests may change.

use std::fs;
use std::path::{Path, PathBuf};

use prospect_processor::{Processor, ProcessorError};

pub(crate) fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/checkpoints/gqa-tied")
}

pub(crate) fn processor() -> Processor {
    Processor::from_dir(&checkpoint()).unwrap()
}

/// Loads a copy of the checkpoint's text files after `change`. The test fails if an error message has
/// several lines.
pub(crate) fn changed(change: impl Fn(&Path)) -> Result<Processor, ProcessorError> {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(checkpoint()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension != "safetensors") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    Processor::from_dir(folder.path()).expect("sound before the change");
    change(folder.path());
    let processor = Processor::from_dir(folder.path());
    if let Err(error) = &processor {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    processor
}

pub(crate) fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}
