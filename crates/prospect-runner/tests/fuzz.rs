//! Whatever the bytes of a file are, it is either read, or refused in one line. Nothing panics.
//!
//! The number of cases is small here; `PROSPECT_FUZZ=1000 cargo test --test fuzz` runs a thousand times
//! as many.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../prospect-model/tests/common/damaged.rs"]
mod damaged;
#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use damaged::{here, one_line};
use mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_runner::suite;
use prospect_runner::suspend::SuspendedRun;

/// The checkpoint of a stream of two frames.
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .args(["run", "--checkpoint", "stream", "--checkpoint-every", "1", "--set", "stream.max_frames=2"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    std::fs::read(folder.path().join("stream")).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn manifests(changes in mutations()) {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a.gif", "a.json", "b.mp4", "b.tsv"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let mut text = b"# two\na.gif\nb.mp4\tb.tsv\tthe second\n".to_vec();
        mutate(&mut text, &changes);
        let list = folder.path().join("list.txt");
        std::fs::write(&list, text).unwrap();
        if let Err(error) = suite::videos(&[list], None) {
            one_line(&error)?;
        }
    }

    #[test]
    fn splits_and_prepared_files_of_proassist(
        file in prop::sample::select(&["generated_dialogs/test_filtered.json", "prepared/dialog-klg_test_L0_I1.jsonl"][..]),
        changes in mutations(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let changed = folder.path().join(file);
        std::fs::create_dir_all(changed.parent().unwrap()).unwrap();
        std::fs::create_dir_all(folder.path().join("frames")).unwrap();
        for video in ["assembly_9011-c03f", "assembly_9012-a01b"] {
            std::fs::write(folder.path().join(format!("frames/{video}.arrow")), "").unwrap();
        }
        let mut text = std::fs::read(here("../../fixtures/proassist").join(file)).unwrap();
        mutate(&mut text, &changes);
        std::fs::write(&changed, text).unwrap();
        match suite::videos(&[changed], None).and_then(suite::with_annotations) {
            Ok(samples) => prop_assert!(samples.len() <= 3),
            Err(error) => one_line(&error)?,
        }
    }

    #[test]
    fn checkpoints(changes in mutations(), mended in any::<bool>()) {
        let mut bytes = CHECKPOINT.clone();
        mutate(&mut bytes, &changes);
        if let (true, Some(end)) = (mended, bytes.len().checked_sub(4)) {
            let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&sum);
        }
        if let Err(error) = SuspendedRun::parse(bytes, Path::new("stream.checkpoint")) {
            one_line(&error)?;
        }
    }
}
