//! Whatever the bytes of a file are: it is read, or refused in one line. Nothing panics.
//!
//! Short here; `PROSPECT_FUZZ=1000 cargo test --test fuzz` has a thousand times as many cases.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_runner::annotations::Annotations;
use prospect_runner::source::{self, SourceOptions};
use prospect_runner::suite;
use prospect_runner::suspend::SuspendedStream;
use prospect_runner::trace::{broken_laws, read_trace};

fn here(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file with a few changes, under a name with the same ending.
fn changed(path: &Path, changes: &[mutations::Mutation]) -> (tempfile::TempDir, PathBuf) {
    let mut bytes = std::fs::read(path).unwrap();
    mutate(&mut bytes, changes);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(path.file_name().unwrap());
    std::fs::write(&file, bytes).unwrap();
    (folder, file)
}

fn one_line(error: &impl std::fmt::Display) -> Result<(), TestCaseError> {
    let text = error.to_string();
    prop_assert_eq!(text.lines().count(), 1, "{}", text);
    Ok(())
}

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

const PICTURES: [&str; 14] = [
    "exif6.jpg",
    "exif6.png",
    "exif6.webp",
    "exif_late.png",
    "exif3_xmp6.jpg",
    "rgba16.png",
    "palette_trns.png",
    "cmyk.jpg",
    "progressive.jpg",
    "rgb.bmp",
    "rgba.webp",
    "still.gif",
    "moving.gif",
    "moving.webp",
];

const ANNOTATIONS: [&str; 5] = [
    "tests/annotations/tea.json",
    "tests/annotations/tea.tsv",
    "tests/annotations/tea_prepared.json",
    "tests/annotations/tea_proassist.json",
    "../../fixtures/workbench/videos/video_000.json",
];

const TRACE: &str = r#"{"event":"run_started","schema_version":2,"config":{},"model":"m","source":"s","device":"cpu","threads":1,"dtype":"f32","strategy":"drop_middle","kv_bytes_per_token":4,"versions":{"prospect":"0"}}
{"event":"budget","max_seq_len":30,"reserved_seq_len":2,"max_reply_tokens":3,"max_summary_tokens":0}
{"event":"message","role":"system","text":"hi","time":0.0}
{"event":"reply","frame":0,"time":0.0,"text":"a","token_ids":[1,2]}
{"event":"frame","index":0,"time":0.0,"segments":[{"kind":"system","tokens":10,"pinned":true},{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":19,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"overflow","time":0.5,"strategy":"drop_middle","trigger":"no_room","incoming":9,"tokens_before":19,"tokens_after":14,"kept":[[0,10],[15,17]],"put_back":[{"kind":"summary","tokens":2}],"positions":"rerotate","positions_reset":false,"ms":1.0}
{"event":"frame","index":1,"time":0.5,"segments":[{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":23,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"run_finished","frames":2,"frames_dropped":0,"replies":1,"overflows":1,"peak_cache_tokens":25,"p50_ms":2.0,"p95_ms":2.0,"p99_ms":2.0}
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn damaged_pictures_are_frames_or_one_line(name in prop::sample::select(&PICTURES[..]), changes in mutations()) {
        let (_folder, file) = changed(&here("../../fixtures/pictures").join(name), &changes);
        match source::open(file.to_str().unwrap(), SourceOptions::at(20.0)) {
            Ok(mut source) => {
                // A damaged delay may last for minutes.
                for item in std::iter::from_fn(|| source.next_frame()).take(64) {
                    match item {
                        Ok(frame) => prop_assert!(frame.image.width() > 0 && frame.image.height() > 0),
                        Err(error) => one_line(&error)?,
                    }
                }
            }
            Err(error) => one_line(&error)?,
        }
    }

    #[test]
    fn annotations(file in prop::sample::select(&ANNOTATIONS[..]), changes in mutations()) {
        let (_folder, file) = changed(&here(file), &changes);
        match Annotations::from_file(&file) {
            Ok(annotations) => {
                let _ = (annotations.substep(1.0), annotations.references().count());
            }
            Err(error) => one_line(&error)?,
        }
    }

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
    fn traces(changes in mutations()) {
        let mut text = TRACE.as_bytes().to_vec();
        mutate(&mut text, &changes);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace.jsonl");
        std::fs::write(&file, text).unwrap();
        match read_trace(&file) {
            Ok(events) => drop(broken_laws(&events)),
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
        if let Err(error) = SuspendedStream::parse(bytes, Path::new("stream.checkpoint")) {
            one_line(&error)?;
        }
    }
}

#[cfg(feature = "arrow")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn arrow_frames(changes in mutations(), framing in any::<bool>()) {
        use prospect_runner::source::{self, SourceOptions};

        let path = here("../../fixtures/proassist/frames/assembly_9012-a01b.arrow");
        let mut bytes = std::fs::read(&path).unwrap();
        if framing {
            // Most of a file are pictures: the schema and the first batch's metadata stand in front.
            let rest = bytes.split_off(900);
            mutate(&mut bytes, &changes);
            bytes.extend(rest);
        } else {
            mutate(&mut bytes, &changes);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frames.arrow");
        std::fs::write(&file, bytes).unwrap();
        match source::open(file.to_str().unwrap(), SourceOptions::at(2.0)) {
            Ok(mut source) => {
                for frame in std::iter::from_fn(|| source.next_frame()).take(50) {
                    if let Err(error) = frame {
                        one_line(&error)?;
                    }
                }
            }
            Err(error) => one_line(&error)?,
        }
    }
}
