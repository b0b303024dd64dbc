//! Each place has one writer, no result is lost silently, and no secret is written.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{checkpoint, complaint, program, repository, text};

fn video(number: usize) -> String {
    repository().join(format!("fixtures/workbench/videos/video_00{number}.mp4")).display().to_string()
}

/// `run` with the small model of the repository, in a working folder of its own.
fn run(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(&[&["run"], arguments].concat());
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Waits until a file holds a text.
fn wait_for(file: &Path, words: &str) {
    let started = Instant::now();
    while !std::fs::read_to_string(file).is_ok_and(|text| text.contains(words)) {
        assert!(started.elapsed() < Duration::from_secs(120), "{} never said {words}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A run at the video's own pace that has begun.
fn slow(folder: &Path, out: &str) -> Child {
    let mut command = run(folder, &[&video(0), "--out", out, "--realtime"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&folder.join(out).join("trace.jsonl"), "\"event\":\"frame\"");
    child
}

#[test]
fn a_checkpoint_is_begun_anew_by_an_explicit_word_alone() {
    let folder = tempfile::tempdir().unwrap();
    let short = [&video(0), "--out", "out", "--checkpoint", "stream.ck", "--set", "stream.max_frames=8"];
    let output = run(folder.path(), &short).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let kept = ["out/trace.jsonl", "stream.ck"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    let (message, code) = complaint(&run(folder.path(), &short).output().unwrap());
    assert!(message.contains("--resume") && message.contains("--overwrite") && code == 2, "{message}");
    let now = ["out/trace.jsonl", "stream.ck"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    assert!(kept == now, "the refusal changed a file");
    for word in ["--resume", "--overwrite"] {
        let output = run(folder.path(), &[&short[..], &[word]].concat()).output().unwrap();
        assert!(output.status.success(), "{word}: {}", text(&output.stderr));
    }
}

#[test]
fn sources_of_one_name_have_traces_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in ["a", "b"].into_iter().enumerate() {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::copy(video(number), folder.path().join(name).join("cam.mp4")).unwrap();
    }
    let run_of = |source: &str, more: &[&str]| {
        let arguments = [&[source, "--set", "stream.max_frames=3"], more].concat();
        let output = run(folder.path(), &arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        said.lines().find_map(|line| line.strip_prefix("trace: ")).unwrap().to_owned()
    };
    let start = |out: &str| {
        let trace = std::fs::read_to_string(folder.path().join("out").join(out).join("trace.jsonl")).unwrap();
        trace.lines().next().unwrap().to_owned()
    };
    assert_eq!(run_of("a/cam.mp4", &[]), "out/cam/trace.jsonl");
    assert_eq!(run_of("b/cam.mp4", &[]), "out/cam-2/trace.jsonl");
    // An existing run is kept, unless it is to be overwritten.
    assert_eq!(run_of("b/cam.mp4", &[]), "out/cam-3/trace.jsonl");
    assert_eq!(run_of("b/cam.mp4", &["--overwrite"]), "out/cam-2/trace.jsonl");
    assert!(start("cam").contains("a/cam.mp4") && start("cam-2").contains("b/cam.mp4"));
    // A run that is resumed is found whatever its folder is.
    let kept = ["--checkpoint", "stream.ck", "--checkpoint-every", "1"];
    assert_eq!(run_of("a/cam.mp4", &kept), "out/cam-4/trace.jsonl");
    assert_eq!(run_of("a/cam.mp4", &[]), "out/cam-5/trace.jsonl");
    assert_eq!(run_of("a/cam.mp4", &[&kept[..], &["--resume"]].concat()), "out/cam-4/trace.jsonl");
}

#[test]
fn a_run_that_is_there_is_overwritten_by_an_explicit_word_alone() {
    let folder = tempfile::tempdir().unwrap();
    let short = [&video(0), "--out", "out", "--set", "stream.max_frames=3"];
    let read = || std::fs::read(folder.path().join("out/trace.jsonl")).unwrap();
    assert!(run(folder.path(), &short).output().unwrap().status.success());
    let before = read();
    let (message, code) = complaint(&run(folder.path(), &short).output().unwrap());
    assert!(message.contains("--out") && message.contains("or --overwrite") && code == 2, "{message}");
    assert!(read() == before, "the refusal changed the trace");
    assert!(run(folder.path(), &[&short[..], &["--overwrite"]].concat()).output().unwrap().status.success());
    // A run without frames may be overwritten, because nothing is lost.
    let trace = String::from_utf8(read()).unwrap();
    std::fs::write(folder.path().join("out/trace.jsonl"), trace.lines().next().unwrap()).unwrap();
    assert!(run(folder.path(), &short).output().unwrap().status.success());
}

#[test]
fn a_second_run_into_a_folder_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = slow(folder.path(), "out");
    let (message, code) = complaint(&run(folder.path(), &[&video(1), "--out", "out"]).output().unwrap());
    assert!(message.contains(&format!("process {}", first.id())) && code == 2, "{message}");
    // The lock ends with its process, however the process ended.
    first.kill().unwrap();
    first.wait().unwrap();
    let next = [&video(1), "--out", "out", "--set", "stream.max_frames=3", "--overwrite"];
    let next = run(folder.path(), &next).output().unwrap();
    assert!(next.status.success(), "{}", text(&next.stderr));
}

#[test]
fn a_trace_that_is_taken_away_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let child = slow(folder.path(), "out");
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    let output = child.wait_with_output().unwrap();
    let (message, code) = complaint(&output);
    assert!(message.contains("was removed or replaced while it was written") && code == 1, "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = run(folder.path(), &[&video(0), "--set", "stream.max_frames=3"]);
    let (message, code) = complaint(&command.stdout(full).output().unwrap());
    assert!(message.contains("cannot write to the output") && code == 1, "{message}");
    // If no output can be written at all, only the exit code reports it.
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = run(folder.path(), &["gone.mp4"]);
    assert_eq!(command.stdout(full()).stderr(full()).status().unwrap().code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_pipe_into_which_nobody_writes_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    let mut command = run(folder.path(), &["pipe", "--out", "out", "--checkpoint", "stream.ck"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&folder.path().join("out/trace.jsonl"), "\"event\":\"budget\"");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.path().join("stream.ck").exists());
}

#[test]
fn a_password_reaches_ffmpeg_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = folder.path().join("ffmpeg");
    // ffmpeg fails, and its message contains the address.
    std::fs::write(&ffmpeg, "#!/bin/sh\necho \"$@ refused\" > told; echo \"$* refused\" >&2; exit 1\n")
        .unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ffmpeg, permissions).unwrap();
    let program = format!("source.ffmpeg={}", ffmpeg.display());
    let headers = "source.ffmpeg_input=['-headers', 'Authorization: geheim']";
    let arguments = [
        "rtsp://user:geheim@camera/1?token=geheim",
        "--set",
        &program,
        "--set",
        headers,
        "--checkpoint",
        "stream.ck",
    ];
    let output = run(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(folder.path().join("told")).unwrap().contains("user:geheim@camera"));
    std::fs::remove_file(folder.path().join("told")).unwrap();
    let shown = [text(&output.stdout), text(&output.stderr)].concat();
    assert!(shown.contains("rtsp://***@camera/1?token=***") && !shown.contains("geheim"), "{shown}");
    let written =
        Command::new("grep").args(["-rl", "geheim", "."]).current_dir(folder.path()).output().unwrap();
    assert_eq!(text(&written.stdout), "");
}

#[test]
fn eval_goes_on_in_the_middle_of_a_video() {
    let folder = tempfile::tempdir().unwrap();
    let videos = folder.path().join("videos");
    std::fs::create_dir(&videos).unwrap();
    for ending in ["mp4", "json"] {
        std::fs::copy(video(0).replace("mp4", ending), videos.join(format!("v.{ending}"))).unwrap();
    }
    let eval = |out: &str, more: &[&str]| {
        let arguments =
            ["eval", "videos", "--out", out, "--checkpoint-every", "5", "--set", "stream.max_frames=60"];
        let mut command = program(&[&arguments, more].concat());
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    assert!(eval("whole", &[]).status().unwrap().success());
    // Slow enough to be interrupted, without dropping frames. The pace does not affect the replies.
    let slow = ["--set", "source.realtime=true", "--set", "source.policy=block"];
    let mut child = eval("parts", &slow).spawn().unwrap();
    wait_for(&folder.path().join("parts/summarize_and_drop/v/trace.jsonl"), "\"index\":12,");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = folder.path().join("parts/summarize_and_drop/v");
    assert!(run.join("stream.checkpoint").exists() && !run.join("result.json").exists());
    assert!(eval("parts", &slow).status().unwrap().success());
    assert!(run.join("result.json").exists() && !run.join("stream.checkpoint").exists());
    let frames = |out: &str| {
        let trace = std::fs::read_to_string(folder.path().join(out).join("summarize_and_drop/v/trace.jsonl"))
            .unwrap();
        let replies = trace.lines().filter(|line| line.contains("\"event\":\"reply\""));
        (trace.matches("\"event\":\"frame\"").count(), replies.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(frames("parts"), frames("whole"));
}

#[test]
fn an_array_with_gaps_refuses_and_one_without_says_its_shard() {
    let folder = tempfile::tempdir().unwrap();
    let eval = |max: &str| {
        let mut command = program(&["eval", "videos", "--model", checkpoint().to_str().unwrap()]);
        let variables = [("ID", "7"), ("COUNT", "4"), ("MIN", "1"), ("MAX", max), ("STEP", "2")];
        command.envs(variables.map(|(name, value)| (format!("SLURM_ARRAY_TASK_{name}"), value)));
        text(&command.current_dir(folder.path()).output().unwrap().stderr)
    };
    assert!(eval("9").contains("without gaps"), "{}", eval("9"));
    assert!(eval("7").starts_with("note: shard 3/4 is done, by SLURM_ARRAY_TASK_ID=7"), "{}", eval("7"));
}
