//! Results of a run besides its trace: subtitles, a page, and a video with burnt-in replies.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{assert_keeps_its_policy, complaint, escaped, program, repository, text, trace};

fn video(name: &str) -> std::path::PathBuf {
    repository().join("fixtures/workbench/videos").join(name)
}

/// `run` with the small model, in a working folder of its own.
fn run(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(&[&["run"], arguments].concat());
    command.current_dir(folder);
    command
}

fn texts(events: &[Value]) -> Vec<&str> {
    let replies = events.iter().filter(|event| event["event"] == "reply");
    replies.map(|event| event["text"].as_str().unwrap()).collect()
}

#[test]
fn subtitles_and_a_page_lie_beside_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(video("video_001.mp4"), folder.path().join("mine.mp4")).unwrap();
    let arguments = ["mine.mp4", "--srt", "--vtt=said.vtt", "--report"];
    let output = run(folder.path(), &arguments).output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for line in ["subtitles: out/mine/replies.srt", "subtitles: said.vtt", "report: out/mine/report.html"] {
        assert!(said.lines().any(|known| known == line), "{said}");
    }
    let out = folder.path().join("out/mine");
    let (events, read) = (trace(&out), |path: &Path| std::fs::read_to_string(path).unwrap());
    let (srt, vtt) = (read(&out.join("replies.srt")), read(&folder.path().join("said.vtt")));
    let page = read(&out.join("report.html"));
    let spoken = texts(&events);
    assert!(spoken.len() > 5, "{spoken:?}");
    assert!(srt.starts_with("1\n00:00:") && vtt.starts_with("WEBVTT\n\n1\n00:00:"), "{srt}{vtt}");
    assert_eq!((srt.matches(" --> ").count(), vtt.matches(" --> ").count()), (spoken.len(), spoken.len()));
    for words in &spoken {
        assert!(srt.contains(words) && vtt.contains(words) && page.contains(&escaped(words)), "{words}");
    }
    // Without references no reply is called wrong.
    assert_eq!(page.matches("data-reply=").count(), spoken.len());
    assert!(page.contains("data-kind=\"said\"") && !page.contains("data-kind=\"redundant\""));
    assert!(page.contains("data-source=\"..&#x2f;..&#x2f;mine.mp4\""));
    assert!(page.contains("<pre>prospect-runner run ") && page.contains("<dt>device</dt><dd>cpu"));
    assert!(
        !page.contains("NaN") && !page.contains("Infinity</") && page.contains("data:image/jpeg;base64,")
    );
    assert_keeps_its_policy(&page);
    // Existing subtitles are not overwritten, and a video file is not accepted as subtitles.
    for (argument, words) in
        [("--vtt=said.vtt", "is there already"), ("--srt=mine.mp4", "a name that ends in .srt")]
    {
        let (message, code) = complaint(&run(folder.path(), &["mine.mp4", argument]).output().unwrap());
        assert!(message.contains(words) && code == 2, "{message}");
    }
}

#[test]
fn a_run_that_replaces_another_leaves_none_of_its_subtitles_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let source = video("video_001.mp4");
    let fixed = [source.to_str().unwrap(), "--out", "out", "--set", "stream.max_frames=4"];
    let made = |more: &[&str]| {
        let output = run(folder.path(), &[fixed.as_slice(), more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let files = std::fs::read_dir(folder.path().join("out")).unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    };
    assert_eq!(
        made(&["--srt", "--vtt", "--report"]),
        ["replies.srt", "replies.vtt", "report.html", "trace.jsonl"]
    );
    assert_eq!(made(&["--overwrite", "--vtt"]), ["replies.vtt", "trace.jsonl"]);
}

#[test]
fn a_page_is_made_later_and_of_a_run_that_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let source = video("video_001.mp4");
    let output = run(folder.path(), &[source.to_str().unwrap(), "--out", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = |more: &[&str]| {
        let output = program(&[&["report"], more].concat()).current_dir(folder.path()).output().unwrap();
        assert_eq!(text(&output.stdout), "report: out/report.html\n", "{}", text(&output.stderr));
        std::fs::read_to_string(folder.path().join("out/report.html")).unwrap()
    };
    // With the annotations beside the video.
    let page = report(&["out"]);
    assert!(
        page.contains("data-kind=\"matched\"")
            && page.contains("data-missed=") == page.contains("missed only")
    );
    // The run was killed in the middle of a line.
    let file = folder.path().join("out/trace.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let page = report(&["out/trace.jsonl"]);
    assert!(page.contains("data-reply=\"1\"") && !page.contains("NaN"));
    assert_keeps_its_policy(&page);
    let missing = program(&["report", "nowhere"]).current_dir(folder.path()).output().unwrap();
    let (message, code) = complaint(&missing);
    assert!(message.contains("nowhere") && code == 2, "{message}");
}

/// A trace of `frames` frames at 2 per second, with a reply every ten seconds and an eviction every
/// minute.
fn long_trace(frames: usize, words: &str) -> String {
    let mut lines = vec![
        json!({ "event": "run_started", "schema_version": 2, "config": {}, "model": "m", "source": "rtsp://camera/1",
            "device": "cpu", "threads": 2, "dtype": "f32", "strategy": "drop_middle", "kv_bytes_per_token": 4,
            "versions": { "prospect": "0" } }),
        json!({ "event": "budget", "max_seq_len": 4096, "reserved_seq_len": 96, "max_reply_tokens": 32, "max_summary_tokens": 0 }),
        json!({ "event": "message", "role": "user", "text": words, "time": 0.0 }),
    ];
    for index in 0..frames {
        let time = index as f64 / 2.0;
        if index % 120 == 119 {
            lines.push(json!({ "event": "overflow", "time": time, "strategy": "drop_middle", "trigger": "no_room", "incoming": 65,
                "tokens_before": 4000, "tokens_after": 1000, "kept": [[0, 100], [3100, 4000]], "put_back": [],
                "positions": "rerotate", "positions_reset": false, "ms": 3.5 }));
        }
        if index % 20 == 0 {
            lines.push(
                json!({ "event": "reply", "frame": index, "time": time, "text": words, "token_ids": [1] }),
            );
        }
        lines.push(json!({ "event": "frame", "index": index, "time": time, "segments": [], "cache_tokens": 1000 + index % 120 * 25,
            "spoke": index % 20 == 0, "vision_ms": 1.0, "decode_ms": 2.0, "total_ms": 3.0 }));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_page_of_an_hour_can_be_opened_and_hostile_words_are_words() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "</script><script>alert('x')</script> & \"quoted\" --> </table></article>";
    std::fs::write(folder.path().join("trace.jsonl"), long_trace(7200, hostile)).unwrap();
    let output = program(&["report", folder.path().to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!(page.matches("data-reply=").count(), 360);
    assert_eq!(page.matches("data-eviction=").count(), 60);
    assert!(page.contains("data-asked=\"1\"") && page.contains(&escaped(hostile)));
    assert!(!page.contains("<script>alert") && !page.contains("NaN"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert_keeps_its_policy(&page);
}

/// A stand-in for ffmpeg that claims to draw subtitles and writes into its last argument.
#[cfg(unix)]
fn stand_in(folder: &Path, script: &str) -> String {
    let program = folder.join("ffmpeg");
    let filters =
        "case \"$*\" in *-filters*) echo ' ... subtitles V->V'; exit 0;; esac\nfor last; do :; done\n";
    std::fs::write(&program, format!("#!/bin/sh\n{filters}{script}")).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    format!("source.ffmpeg={}", program.display())
}

#[cfg(unix)]
#[test]
fn replies_are_burnt_into_the_video_or_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(video("video_001.mp4"), folder.path().join("mine.mp4")).unwrap();
    let ffmpeg = stand_in(folder.path(), "(echo \"$@\"; cat replies.vtt) > \"${last#file:}\"\n");
    let short = ["mine.mp4", "--set", &ffmpeg, "--set", "stream.max_frames=20", "--burn", "new/burnt.mp4"];
    let output = run(folder.path(), &short).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("video: new/burnt.mp4\n"), "{}", text(&output.stdout));
    let burnt = std::fs::read_to_string(folder.path().join("new/burnt.mp4")).unwrap();
    assert!(burnt.contains("subtitles=replies.vtt,") && burnt.contains("WEBVTT"), "{burnt}");
    // A failure is reported, and existing files are kept.
    stand_in(folder.path(), "echo half > \"${last#file:}\"; echo 'no such encoder' >&2; exit 1\n");
    let (message, code) =
        complaint(&run(folder.path(), &[&short[..], &["--overwrite"]].concat()).output().unwrap());
    assert!(
        message.contains("new/burnt.mp4") && message.contains("no such encoder") && code == 1,
        "{message}"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("new/burnt.mp4")).unwrap(), burnt);
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    let (message, code) =
        complaint(&run(folder.path(), &["frames/*.png", "--burn", "b.mp4"]).output().unwrap());
    assert!(message.contains("is no video file") && code == 2, "{message}");
}
