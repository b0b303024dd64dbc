//! A folder in ProAssist's processed layout, as `fixtures/proassist/make.py` writes it with pyarrow.
#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "tests")]

use prospect_evaluation::annotations::Annotations;
use prospect_runner::suite::{self, videos, with_annotations};
use std::path::{Path, PathBuf};

fn stream() -> PathBuf {
    fixture().join("frames/assembly_9011-c03f.arrow")
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/proassist")
}

#[test]
fn samples_are_videos_with_one_conversation_and_their_steps() {
    let samples = with_annotations(videos(&[fixture()], None).unwrap()).unwrap();
    let names: Vec<&str> = samples.iter().map(|(video, _)| video.name.as_str()).collect();
    assert_eq!(
        names,
        ["assembly_9011-c03f_no_talk", "assembly_9011-c03f_talk_some", "assembly_9012-a01b_no_talk"]
    );
    let (video, annotations) = &samples[1];
    assert_eq!(video.source, stream());
    assert_eq!(annotations.requests().count(), 1);
    assert_eq!(annotations.references().map(|reply| reply.time).collect::<Vec<_>>(), [0.0, 4.0]);
    assert_eq!(annotations.substep(2.0).unwrap().name, "screw it on");
    assert!(annotations.task_knowledge.as_ref().unwrap().starts_with("Assemble the toy"));
    let other = videos(&[fixture().join("generated_dialogs/val_filtered.json")], None).unwrap();
    assert_eq!(other.len(), 1, "a split of its own");
}

#[test]
fn a_line_of_a_prepared_file_is_a_part_of_a_video() {
    let file = fixture().join("prepared/dialog-klg_test_L0_I1.jsonl");
    let samples = with_annotations(videos(std::slice::from_ref(&file), None).unwrap()).unwrap();
    let about = |sample: &(suite::Video, Annotations)| (sample.0.name.clone(), sample.0.part.clone());
    let parts: Vec<_> = samples.iter().map(about).collect();
    assert_eq!(
        parts,
        [
            ("assembly_9011-c03f_line1".to_owned(), Some(0.0..6.0)),
            ("assembly_9012-a01b_line2".to_owned(), Some(1.0..3.5)),
        ]
    );
    let said = |sample: usize| -> Vec<f64> {
        samples[sample].1.references().map(|reference| reference.time).collect()
    };
    assert_eq!((said(0), said(1)), (vec![0.5, 4.5], vec![2.5]));
    assert_eq!(samples[0].1.requests().count(), 1);

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("frames")).unwrap();
    std::fs::create_dir_all(root.join("prepared")).unwrap();
    std::fs::write(root.join("frames/v.arrow"), "").unwrap();
    let refused = |line: &str, expected: &str| {
        let file = root.join("prepared/a.jsonl");
        std::fs::write(&file, format!("\n{line}\n")).unwrap();
        let error = videos(&[file], None).unwrap_err().to_string();
        assert!(error.lines().count() == 1 && error.contains(expected), "{error}");
    };
    refused("{", "a.jsonl: line 2: EOF");
    refused(r#"{"conversation": []}"#, "missing field `video_uid`");
    refused(r#"{"video_uid": "w"}"#, "no frames of w");
    refused(
        r#"{"video_uid": "v", "end_frame_idx": 5}"#,
        "frames 0 to 5, no rate: expected at least one frame",
    );
    let empty = r#"{"video_uid": "v", "start_frame_idx": 5, "end_frame_idx": 5, "fps": 2}"#;
    refused(empty, "frames 5 to 5, 2 a second");
}

/// Runs `eval` over a data set and gives what it printed and wrote.
fn evaluated(dataset: &Path) -> (serde_json::Value, tempfile::TempDir) {
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--json", "--strategies", "sanity,drop_middle", "--set", "context.max_seq_len=400"];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .arg("eval")
        .arg(dataset)
        .args(arguments)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), out)
}

#[test]
fn eval_runs_every_sample_and_has_its_metrics() {
    let prepared = fixture().join("prepared/dialog-klg_test_L0_I1.jsonl");
    let split = ["assembly_9011-c03f_no_talk", "assembly_9011-c03f_talk_some", "assembly_9012-a01b_no_talk"];
    let lines = ["assembly_9011-c03f_line1", "assembly_9012-a01b_line2"];
    for (dataset, samples, frames) in
        [(fixture(), &split[..], &[12, 12, 8][..]), (prepared, &lines, &[12, 5])]
    {
        let (printed, out) = evaluated(&dataset);
        let report = std::fs::read_to_string(out.path().join("report.html")).unwrap();
        for (sample, frames) in samples.iter().zip(frames) {
            for strategy in ["sanity", "drop_middle"] {
                let entries = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path());
                let folder =
                    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(strategy));
                let file = folder.map(|folder| folder.join(sample).join("result.json")).next().unwrap();
                let result: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                assert_eq!(
                    (&result["error"], &result["cost"]["frames"]),
                    (&serde_json::Value::Null, &(*frames).into())
                );
                assert!(result["judgement"]["exact"]["references"].as_u64().unwrap() > 0, "{sample}");
                assert!(result["broken_laws"].as_array().unwrap().is_empty(), "{result}");
            }
            assert!(report.contains(sample), "{sample} is not in the report");
        }
        let sanity = printed["strategies"].as_array().unwrap().iter().find(|row| row["strategy"] == "sanity");
        assert_eq!(sanity.unwrap()["metrics"]["f1"]["value"], 1.0, "{printed}");
    }
}
