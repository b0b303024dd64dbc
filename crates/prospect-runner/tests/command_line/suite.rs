//! Suites of many videos: killed and restarted, or in shards and merged, they give the same results as
//! in one go.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{complaint, program, repository, text};

/// Number of times that one evaluation is killed.
const KILLS: u64 = 20;
/// Longest time between two kills, in milliseconds.
const LONGEST_MS: u64 = 900;

fn videos() -> PathBuf {
    repository().join("fixtures/workbench/videos")
}

fn arguments<'a>(out: &'a Path, dataset: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let (out, dataset) = (out.to_str().unwrap(), dataset.to_str().unwrap());
    let strategies = "sanity,summarize_and_drop,drop_middle:rerotate,none";
    let fixed = ["eval", dataset, "--out", out, "--strategies", strategies, "--set", "stream.max_frames=70"];
    [fixed.as_slice(), more].concat()
}

fn eval(out: &Path, more: &[&str]) -> Output {
    program(&arguments(out, &videos(), more)).env("RAYON_NUM_THREADS", "1").output().unwrap()
}

fn merge(folders: &[&Path]) -> Output {
    let folders: Vec<&str> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    program(&[["merge", "--json"].as_slice(), &folders].concat()).output().unwrap()
}

/// A summary without times and without the path of the report.
fn unmeasured(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|key, _| !key.ends_with("_ms") && key != "report");
            fields.values_mut().for_each(|field| *field = unmeasured(field.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|entry| *entry = unmeasured(entry.take())),
        _ => {}
    }
    value
}

fn merged(folders: &[&Path]) -> Value {
    let output = merge(folders);
    assert!(output.status.success(), "{}", text(&output.stderr));
    unmeasured(serde_json::from_slice(&output.stdout).unwrap())
}

/// Every file of a suite's folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn whole() -> (TempDir, Value) {
    let out = tempfile::tempdir().unwrap();
    let output = eval(out.path(), &["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = unmeasured(serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!(printed, merged(&[out.path()]));
    (out, printed)
}

#[test]
fn killed_twenty_times_it_ends_with_the_same_results() {
    let (uninterrupted, expected) = whole();
    let out = tempfile::tempdir().unwrap();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut killed_at_work = 0;
    for _ in 0..KILLS {
        let mut child = program(&arguments(out.path(), &videos(), &[]))
            .env("RAYON_NUM_THREADS", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((random >> 33) % LONGEST_MS));
        killed_at_work += u64::from(child.try_wait().unwrap().is_none());
        // SIGKILL: the process cannot clean up.
        child.kill().unwrap();
        child.wait().unwrap();
        // Leaves some work for the next process, however fast the machine is.
        if let Some(result) = files_named(out.path(), "result.json").pop() {
            std::fs::remove_file(result).unwrap();
        }
    }
    assert!(killed_at_work >= KILLS / 2, "only {killed_at_work} of {KILLS} kills came in time");
    let finished = eval(out.path(), &[]);
    assert!(finished.status.success(), "{}", text(&finished.stderr));
    assert_eq!(merged(&[out.path()]), expected);
    let names = |folder: &Path| -> Vec<PathBuf> {
        files_named(folder, "result.json")
            .iter()
            .map(|file| file.strip_prefix(folder).unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(out.path()), names(uninterrupted.path()));
    for name in names(out.path()) {
        let read = |folder: &Path| -> Value {
            unmeasured(serde_json::from_slice(&std::fs::read(folder.join(&name)).unwrap()).unwrap())
        };
        assert_eq!(read(out.path()), read(uninterrupted.path()), "{}", name.display());
    }
}

fn files_named(folder: &Path, name: &str) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|file| file.file_name().unwrap() == name).collect()
}

#[test]
fn shards_in_folders_of_their_own_merge_to_the_whole() {
    let (_whole, expected) = whole();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = eval(first.path(), &["--shard", "0/2"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("shard 0/2 is done"), "{}", text(&output.stdout));

    let (line, code) = complaint(&merge(&[first.path()]));
    assert!(line.contains("results are missing") && code == 1, "{line}");

    // As if a job scheduler had started it.
    let output = program(&arguments(second.path(), &videos(), &[]))
        .env("JOB_COMPLETION_INDEX", "1")
        .env("JOB_COMPLETIONS", "2")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(merged(&[first.path(), second.path()]), expected);
}

#[test]
fn only_what_is_missing_or_made_from_something_else_is_done_again() {
    let (out, dataset) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["video_002", "video_000"] {
        for extension in ["mp4", "json"] {
            let file = format!("{name}.{extension}");
            std::fs::copy(videos().join(&file), dataset.path().join(&file)).unwrap();
        }
    }
    let run = |more: &[&str]| {
        let more = [["--set", "stream.max_frames=9"].as_slice(), more].concat();
        let output = program(&arguments(out.path(), dataset.path(), &more)).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let modified = |file: &PathBuf| std::fs::metadata(file).unwrap().modified().unwrap();
        files_named(out.path(), "result.json").iter().map(modified).collect::<Vec<_>>()
    };
    let changed = |before: &[std::time::SystemTime], after: &[std::time::SystemTime]| {
        before.iter().zip(after).filter(|(before, after)| before != after).count()
    };
    let first = run(&[]);
    assert_eq!(first.len(), 8);
    let again = run(&[]);
    assert_eq!(changed(&first, &again), 0);
    // Results of other settings are lost only if somebody says so.
    let other = ["--set", "stream.max_frames=9", "--set", "generation.max_new_tokens=31"];
    let refused = program(&arguments(out.path(), dataset.path(), &other)).output().unwrap();
    let (line, code) = complaint(&refused);
    assert!(line.contains("other settings") && line.contains("--overwrite") && code == 2, "{line}");
    let other_settings = run(&["--set", "generation.max_new_tokens=31", "--overwrite"]);
    assert_eq!(changed(&again, &other_settings), 8);
    // Another video under the same name.
    std::fs::copy(videos().join("video_001.mp4"), dataset.path().join("video_000.mp4")).unwrap();
    let other_video = run(&["--set", "generation.max_new_tokens=31", "--overwrite"]);
    assert_eq!(changed(&other_settings, &other_video), 4);
    // A suite of other videos.
    let (line, code) = complaint(&eval(out.path(), &[]));
    assert!(line.contains("runs of other videos") && line.contains("--overwrite") && code == 2, "{line}");
}

#[test]
fn malformed_annotations_end_it_before_anything_runs() {
    let (out, dataset) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in ["video_000.mp4", "video_000.json", "video_002.mp4"] {
        std::fs::copy(videos().join(file), dataset.path().join(file)).unwrap();
    }
    std::fs::write(dataset.path().join("video_002.json"), "{}").unwrap();
    let (line, code) = complaint(&program(&arguments(out.path(), dataset.path(), &[])).output().unwrap());
    assert!(line.contains("video_002.json") && code == 2, "{line}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let (out, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = |output: &Output, part: &str| {
        let (line, code) = complaint(output);
        assert!(line.contains(part) && code == 2, "{line}");
    };
    refused(&merge(&[out.path()]), "expected a folder that compare or eval wrote");
    let quick = ["--set", "stream.max_frames=2"];
    assert!(eval(out.path(), &quick).status.success());
    assert!(eval(other.path(), &[quick.as_slice(), &["--baseline", "none"]].concat()).status.success());
    refused(&merge(&[out.path(), other.path()]), "another suite");
    // The same suite, made with other settings.
    let longer = ["--set", "stream.max_frames=3", "--overwrite"];
    assert!(eval(other.path(), &longer).status.success());
    std::fs::remove_dir_all(other.path().join("none")).unwrap();
    std::fs::remove_dir_all(out.path().join("sanity")).unwrap();
    std::fs::remove_dir_all(out.path().join("summarize_and_drop/video_000")).unwrap();
    refused(&merge(&[out.path(), other.path()]), "different settings");
    refused(&eval(out.path(), &["--baseline", "drop_all"]), "is none of the strategies");
    refused(&eval(out.path(), &["--annotations", "x.json"]), "is for one video");
    let twice = program(&arguments(out.path(), &videos(), &["--strategies", "none"])).output().unwrap();
    refused(&twice, "names none twice");
    let wrong_shard = eval(out.path(), &["--shard", "2/2"]);
    assert_eq!(wrong_shard.status.code(), Some(2));
    assert!(text(&wrong_shard.stderr).contains("expected INDEX/COUNT"));
}
