//! A stream that is killed and resumed has the same trace as an uninterrupted one. A checkpoint that
//! does not belong to the run is refused.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{checkpoint, complaint, frames, names, program, repository, reproducible, text, trace};

/// Number of runs that are killed; set `PROSPECT_KILLS=100` for a thorough test.
const KILLS: usize = 5;

/// A run of the small model in a folder of its own.
struct Run {
    folder: TempDir,
}

impl Run {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.path().join("stream.checkpoint")
    }

    /// All runs have the same settings, including the folder, because settings are in the first line of
    /// the trace.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = program(&["run", "--out", "out"]);
        command.args(more).current_dir(self.folder.path()).env("RAYON_NUM_THREADS", "1");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn kept(&self, every: &str, more: &[&str]) -> Command {
        let checkpoint = self.checkpoint().display().to_string();
        let keeping = ["--checkpoint", &checkpoint, "--checkpoint-every", every];
        self.command(&[&keeping[..], more].concat())
    }

    fn trace(&self) -> Vec<String> {
        reproducible(trace(&self.out()))
    }

    fn finish(mut command: Command) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    fn lines(&self) -> usize {
        std::fs::read_to_string(self.out().join("trace.jsonl")).map_or(0, |text| text.lines().count())
    }

    fn wait_for_lines(&self, child: &mut Child, lines: usize) {
        let started = Instant::now();
        while self.lines() < lines && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(120), "not {lines} events after two minutes");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A run with this many frames and a checkpoint, stopped by Ctrl-C in the middle.
    fn interrupted() -> Self {
        let run = Self::new();
        let mut child = run.kept("50", &[]).spawn().unwrap();
        run.wait_for_lines(&mut child, 30);
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        run
    }
}

/// Lehmer's generator, good enough for random moments.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: Duration) -> Duration {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        below.mul_f64(self.0 as f64 / 0x7fff_ffff_u64 as f64)
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_resumed_to_the_same_trace() {
    let kills = std::env::var("PROSPECT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let alone = Run::new();
    let started = Instant::now();
    Run::finish(alone.command(&[]));
    let (length, expected) = (started.elapsed(), alone.trace());
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let mut moments = Moments(u64::from(seed).max(1));
    let (mut killed, mut resumed) = (0, 0);
    while killed < kills {
        let run = Run::new();
        loop {
            // If the run is killed before its first checkpoint, it begins again.
            let resume = run.checkpoint().exists();
            let mut child = run.kept("7", if resume { &["--resume"] } else { &[] }).spawn().unwrap();
            resumed += usize::from(resume);
            if killed == kills {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success(), "seed {seed}: {}", text(&output.stderr));
                break;
            }
            std::thread::sleep(moments.next(length));
            let over = child.try_wait().unwrap();
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            match over {
                Some(status) => {
                    assert!(status.success(), "seed {seed}: {}", text(&output.stderr));
                    break;
                }
                None => killed += 1,
            }
        }
        assert_eq!(run.trace(), expected, "seed {seed}, after {killed} kills");
    }
    assert!(resumed > 0, "seed {seed}: no run had come to its first checkpoint");
}

#[test]
fn ctrl_c_leaves_a_checkpoint_of_the_last_frame() {
    let alone = Run::new();
    Run::finish(alone.command(&[]));
    let run = Run::interrupted();
    let events = trace(&run.out());
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
    let frames = names(&events).iter().filter(|name| **name == "frame").count();
    assert!(frames % 50 != 0, "the checkpoint would have been due");
    Run::finish(run.kept("50", &["--resume"]));
    assert_eq!(run.trace(), alone.trace());
    // Resuming the finished run again changes nothing.
    Run::finish(run.kept("50", &["--resume"]));
    assert_eq!(run.trace(), alone.trace());
}

#[test]
fn subtitles_of_a_run_that_goes_on_are_those_of_one_that_was_left_alone() {
    let files = |run: &Run| {
        ["srt", "vtt"]
            .map(|ending| std::fs::read_to_string(run.out().join("replies").with_extension(ending)).unwrap())
    };
    let alone = Run::new();
    Run::finish(alone.command(&["--srt", "--vtt"]));
    let run = Run::new();
    let mut child = run.kept("50", &["--srt", "--vtt"]).spawn().unwrap();
    run.wait_for_lines(&mut child, 80);
    child.kill().unwrap();
    child.wait().unwrap();
    // The interrupted subtitles are the beginning of the complete ones, except for the end of the last
    // cue.
    let (cut, whole) = (files(&run), files(&alone));
    let last = cut[0].trim_end().rsplit("\n\n").next().unwrap();
    let rest = last.lines().last().unwrap();
    assert!(
        whole[0].contains(rest) && whole[0].starts_with(cut[0].strip_suffix(&format!("{last}\n\n")).unwrap())
    );
    Run::finish(run.kept("50", &["--srt", "--vtt", "--resume"]));
    assert_eq!(files(&run), whole);
}

#[test]
fn a_folder_goes_on_behind_its_last_image_and_damaged_ones_count() {
    let alone = Run::new();
    let images = tempfile::tempdir().unwrap();
    for index in 0..12 {
        let image = images.path().join(format!("{index}.png"));
        std::fs::copy(frames().join(format!("{:03}.png", index % 3)), image).unwrap();
    }
    std::fs::write(images.path().join("4.png"), "no image").unwrap();
    let source = images.path().to_str().unwrap();
    let arguments = [source, "--set", "stream.on_corrupt_frame=skip"];
    Run::finish(alone.command(&arguments));
    assert!(names(&trace(&alone.out())).contains(&"frame_dropped"));
    let run = Run::new();
    // The run's checkpoint is that of item 5; seven more items follow.
    Run::finish(run.kept("5", &[&arguments[..], &["--set", "stream.max_frames=12"]].concat()));
    let kept = std::fs::read(run.checkpoint()).unwrap();
    assert!(String::from_utf8_lossy(&kept[..4096]).contains("\\\"items\\\":10"));
    Run::finish(run.kept("5", &[&arguments[..], &["--set", "stream.max_frames=12", "--resume"]].concat()));
    let settings = |events: Vec<Value>| reproducible(events)[1..].to_vec();
    assert_eq!(settings(trace(&run.out())), settings(trace(&alone.out())));
}

fn refused(mut command: Command) -> String {
    let output: Output = command.output().unwrap();
    let (message, code) = complaint(&output);
    assert_eq!(code, 2, "{message}");
    message
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let run = Run::interrupted();
    let before = std::fs::read(run.out().join("trace.jsonl")).unwrap();
    let says = |more: &[&str], words: &str| {
        let message = refused(run.kept("50", &[&["--resume"], more].concat()));
        assert!(message.contains(words), "{message}");
        assert_eq!(std::fs::read(run.out().join("trace.jsonl")).unwrap(), before, "the trace is as it was");
    };
    says(&["--set", "context.max_seq_len=400"], "differ in context.max_seq_len, which was 384 and is 400");
    says(&["--strategy", "drop_all"], "the settings differ in context.strategy");
    let other = repository().join("fixtures/workbench/videos/video_001.mp4");
    says(&[other.to_str().unwrap()], "the source was");
    let model = checkpoint();
    says(
        &[
            "--model",
            model.to_str().unwrap(),
            "--config",
            repository().join("configs/workbench.toml").to_str().unwrap(),
        ],
        "the settings differ in model.path",
    );
    let elsewhere = run.folder.path().join("none").display().to_string();
    let missing = refused(run.command(&["--checkpoint", &elsewhere, "--resume"]));
    assert!(missing.contains("there is none to resume from"), "{missing}");
}

#[test]
fn a_source_and_a_model_that_were_changed_since_are_refused() {
    let run = Run::new();
    let copy = |from: &Path, to: &str| {
        let to = run.folder.path().join(to);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                std::fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
            }
        }
        to
    };
    let (images, model) = (copy(&frames(), "images"), copy(&checkpoint(), "model"));
    let annotations = run.folder.path().join("images.json");
    std::fs::write(&annotations, r#"{"version": 1}"#).unwrap();
    let budget = "context.max_seq_len=1024";
    let arguments = ["images", "--model", "model", "--set", budget];
    Run::finish(run.kept("1", &arguments));
    let says = |words: &str| {
        let message = refused(run.kept("1", &[&arguments[..], &["--resume"]].concat()));
        assert!(message.contains(words), "{message}");
    };
    std::fs::write(&annotations, r#"{"version": 1, "messages": []}"#).unwrap();
    says("the annotations file was images.json");
    std::fs::copy(frames().join("000.png"), images.join("999.png")).unwrap();
    says("the source was images, and is images or was changed since");
    std::fs::write(model.join("note.txt"), "changed").unwrap();
    says("the model was");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let run = Run::interrupted();
    let whole = std::fs::read(run.checkpoint()).unwrap();
    let says = |bytes: &[u8], words: &str| {
        std::fs::write(run.checkpoint(), bytes).unwrap();
        let message = refused(run.kept("50", &["--resume"]));
        assert!(message.contains(words), "{message}");
    };
    says(&whole[..whole.len() / 2], "it is cut off");
    says(&whole[..3], "--checkpoint");
    says(&[&whole[..], b"more"].concat(), "something was appended");
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    says(&flipped(whole.len() / 2), "its checksum is");
    says(&flipped(whole.len() - 1), "its checksum is");
    says(&std::fs::read(checkpoint().join("model.safetensors")).unwrap(), "is there and no checkpoint");
}

#[test]
fn a_source_that_ends_before_is_refused() {
    let run = Run::new();
    for index in 0..6 {
        std::fs::copy(frames().join("000.png"), run.folder.path().join(format!("{index}.png"))).unwrap();
    }
    Run::finish(run.kept("1", &["*.png"]));
    std::fs::remove_file(run.folder.path().join("3.png")).unwrap();
    let message = refused(run.kept("1", &["*.png", "--resume"]));
    assert!(message.contains("had come to item 6 of its source, which ends at 5"), "{message}");
}

/// A checkpoint with a changed text and a matching checksum.
fn rewritten(checkpoint: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let header = String::from_utf8_lossy(&checkpoint[8..]).find(from).unwrap() + 8;
    let mut bytes = checkpoint.to_vec();
    bytes[header..header + from.len()].copy_from_slice(to.as_bytes());
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn another_version_and_state_that_is_none_are_refused() {
    let run = Run::interrupted();
    let whole = std::fs::read(run.checkpoint()).unwrap();
    let says = |from: &str, to: &str, words: &str| {
        std::fs::write(run.checkpoint(), rewritten(&whole, from, to)).unwrap();
        let message = refused(run.kept("50", &["--resume"]));
        assert!(message.contains(words), "{message}");
    };
    says("{\\\"version\\\":3,", "{\\\"version\\\":9,", "checkpoints have version 9: expected a program");
    let version = prospect_runner::VERSION;
    let other = version.replacen(|c: char| c.is_ascii_digit(), "7", 1);
    says(
        &format!("\\\"prospect\\\":\\\"{version}"),
        &format!("\\\"prospect\\\":\\\"{other}"),
        &format!("was written by prospect {other}: expected prospect {version}"),
    );
    says("\\\"opening_tokens\\\":", "\\\"opening_kotens\\\":", "it does not tell of a stream: unknown field");
}

#[test]
fn a_trace_that_was_changed_is_refused() {
    let run = Run::interrupted();
    let file = run.out().join("trace.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let says = |words: &str| {
        let message = refused(run.kept("50", &["--resume"]));
        assert!(message.contains(words), "{message}");
    };
    std::fs::write(&file, whole.replacen('0', "1", 1)).unwrap();
    says("was changed in its first");
    let cut: String = whole.lines().take(6).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, cut).unwrap();
    says("bytes: expected at least");
    std::fs::remove_file(&file).unwrap();
    says("cannot be read");
}

#[test]
fn a_file_that_is_no_checkpoint_is_not_overwritten() {
    let run = Run::new();
    std::fs::write(run.checkpoint(), "weights of a week").unwrap();
    let message = refused(run.kept("50", &[]));
    assert!(message.contains("is there and no checkpoint of a stream"), "{message}");
    assert_eq!(std::fs::read(run.checkpoint()).unwrap(), b"weights of a week");
}

/// Stand-ins for ffmpeg and ffprobe, for a video of eight frames. While `folder` contains a file
/// `slow`, ffprobe does not answer; while it contains `broken`, ffmpeg fails after the last frame.
fn stand_in(folder: &Path) -> String {
    let here = folder.display();
    let answer = r#"{"streams": [{"index": 0, "codec_type": "video"}], "frames": [{"best_effort_timestamp_time": "0"}],
        "format": {"format_name": "matroska", "duration": "4.0"}}"#;
    let probe = format!("[ -e {here}/slow ] && touch {here}/asked && exec sleep 100\necho '{answer}'\n");
    let frame = "printf 'P6\\n2 2\\n255\\n............'";
    let video =
        format!("for frame in 1 2 3 4 5 6 7 8; do {frame}; done\n[ -e {here}/broken ] && exit 1\nexit 0\n");
    for (name, script) in [("ffprobe", probe), ("ffmpeg", video)] {
        let program = folder.join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}")).unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, permissions).unwrap();
    }
    format!("source.ffmpeg={here}/ffmpeg")
}

#[test]
fn a_signal_while_the_source_is_opened_again_loses_nothing() {
    let run = Run::new();
    let ffmpeg = stand_in(run.folder.path());
    let at = |name: &str| run.folder.path().join(name);
    std::fs::write(at("clip.mkv"), "stands for a video").unwrap();
    let arguments = ["clip.mkv", "--set", &ffmpeg];
    Run::finish(run.kept("1", &arguments));
    let kept = || [run.checkpoint(), run.out().join("trace.jsonl")].map(|file| std::fs::read(file).unwrap());
    let before = kept();
    std::fs::write(at("slow"), "").unwrap();
    let mut child = run.kept("1", &[&arguments[..], &["--resume"]].concat()).spawn().unwrap();
    let started = Instant::now();
    while !at("asked").exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "ffprobe was never asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(kept() == before, "checkpoint or trace was changed");
    std::fs::remove_file(at("slow")).unwrap();
    Run::finish(run.kept("1", &[&arguments[..], &["--resume"]].concat()));
}

#[test]
fn eval_goes_on_behind_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let ffmpeg = stand_in(folder.path());
    std::fs::create_dir(at("videos")).unwrap();
    std::fs::write(at("videos/v.mkv"), "stands for a video").unwrap();
    std::fs::write(at("videos/v.json"), r#"{"version": 1}"#).unwrap();
    let eval = || {
        let arguments = ["eval", "videos", "--out", "out", "--checkpoint-every", "5", "--set", &ffmpeg];
        program(&arguments).current_dir(folder.path()).output().unwrap()
    };
    let of_run = |name: &str| at("out/summarize_and_drop/v").join(name);
    let trace = || std::fs::read_to_string(of_run("trace.jsonl")).unwrap();
    std::fs::write(at("broken"), "").unwrap();
    assert_eq!(eval().status.code(), Some(1));
    let (first, checkpoint) = (trace(), of_run("stream.checkpoint"));
    assert!(checkpoint.exists(), "{first}");
    std::fs::remove_file(at("broken")).unwrap();
    let output = eval();
    assert!(output.status.success() && !checkpoint.exists(), "{}", text(&output.stderr));
    // The measurements of the first five frames are unchanged, so these frames were not processed
    // again.
    let known = first.find("\"index\":4,").unwrap();
    assert_eq!(trace()[..known], first[..known]);
}
