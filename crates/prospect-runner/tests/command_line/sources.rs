//! Standard input, damaged streams and live sources, from the command line to the trace.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{checkpoint, complaint, frames, names, program, repository, stream, text, trace};

fn videos() -> std::path::PathBuf {
    repository().join("fixtures/videos")
}

fn arguments<'a>(source: &'a str, model: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let budget = ["--set", "context.max_seq_len=1024"];
    [&["run", source, "--model", model, "--out", out, "--overwrite"][..], &budget, more].concat()
}

/// `run -` with these bytes on standard input.
fn pipe(bytes: &[u8], out: &Path, more: &[&str]) -> Output {
    let model = checkpoint();
    let mut child = program(&arguments("-", model.to_str().unwrap(), out.to_str().unwrap(), more))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program closes its standard input when it has read enough.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait_with_output().unwrap()
}

fn times(events: &[Value]) -> Vec<f64> {
    let frames = events.iter().filter(|event| event["event"] == "frame");
    frames.map(|frame| frame["time"].as_f64().unwrap()).collect()
}

fn image(name: &str) -> Vec<u8> {
    std::fs::read(frames().join(name)).unwrap()
}

#[test]
fn images_on_standard_input_are_the_folder_they_came_from() {
    let (out, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut bytes = Vec::new();
    for index in 0..4 {
        let name = format!("{index:03}.png");
        std::fs::copy(frames().join(&name), folder.path().join(&name)).unwrap();
        bytes.extend(image(&name));
    }
    assert!(pipe(&bytes, out.path(), &[]).status.success());
    let measured = |key: &str| key.ends_with("ms") || key.ends_with("_bytes") || key == "threads";
    let strip = |events: Vec<Value>| -> Vec<Value> {
        let strip = |mut event: Value| {
            event
                .as_object_mut()
                .unwrap()
                .retain(|key, _| !measured(key) && key != "source" && key != "config");
            event
        };
        events.into_iter().map(strip).collect()
    };
    let piped = strip(trace(out.path()));
    assert!(stream(folder.path(), &checkpoint(), out.path(), &[]).status.success());
    assert_eq!(piped, strip(trace(out.path())));
}

#[test]
fn a_stream_that_breaks_keeps_its_frames_and_says_where() {
    let out = tempfile::tempdir().unwrap();
    let whole = [image("000.png"), image("001.png")].concat();
    let (message, code) = complaint(&pipe(&[&whole[..], &whole[..50]].concat(), out.path(), &[]));
    assert_eq!((message.as_str(), code), ("error: standard input: ends in the middle of frame 2", 2));
    let events = trace(out.path());
    assert_eq!(times(&events), [0.0, 0.5]);
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
    let (message, code) = complaint(&pipe(b"<html>", out.path(), &[]));
    assert!(
        message.contains("begins with \"<html>\", expected JPEG or PNG images") && code == 2,
        "{message}"
    );
    let (message, code) = complaint(&pipe(b"", out.path(), &[]));
    assert!(message.contains("no frame could be read") && code == 2, "{message}");
}

#[test]
fn raw_frames_come_through_standard_input() {
    let out = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(videos().join("odd.y4m")).unwrap();
    let output = pipe(&bytes, out.path(), &["--set", "stream.fps=10"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(times(&trace(out.path())).len(), 5);
}

#[test]
fn a_truncated_video_ends_with_an_error_event() {
    let out = tempfile::tempdir().unwrap();
    let at = ["--set", "stream.fps=10"];
    let (message, code) = complaint(&stream(&videos().join("truncated.mp4"), &checkpoint(), out.path(), &at));
    assert!(message.contains("cut off at video frame") && code == 2, "{message}");
    let events = trace(out.path());
    assert!(times(&events).len() >= 4);
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
    let (message, code) =
        complaint(&stream(&videos().join("audio_only.mp4"), &checkpoint(), out.path(), &[]));
    assert!(message.contains("no video track, expected one") && code == 2, "{message}");
}

#[test]
fn in_real_time_the_trace_has_the_pace() {
    let out = tempfile::tempdir().unwrap();
    let fast = ["--realtime", "--set", "stream.fps=10"];
    let output = stream(&videos().join("bframes.mp4"), &checkpoint(), out.path(), &fast);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("deadlines missed"));
    let events = trace(out.path());
    let closing = &events[events.len() - 1];
    let (frames, dropped) =
        (closing["frames"].as_u64().unwrap(), closing["frames_dropped"].as_u64().unwrap());
    // Every frame is either processed or reported as dropped.
    assert_eq!(frames + dropped, 30);
    let paced: Vec<&Value> = events.iter().filter(|event| event["event"] == "frame").collect();
    assert!(paced.iter().all(|frame| frame["pace"]["lag_ms"].as_f64() >= frame["pace"]["wait_ms"].as_f64()));
    let missed = paced.iter().filter(|frame| frame["pace"]["missed"] == true).count();
    assert_eq!(closing["pace"]["missed"].as_u64(), Some(missed as u64));
}

#[cfg(unix)]
mod live {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::*;

    /// A script in place of ffmpeg, as a setting.
    fn stand_in(folder: &Path, body: &str) -> String {
        let program = folder.join("ffmpeg");
        std::fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!("source.ffmpeg={}", program.display())
    }

    const FRAME: &str = r"printf 'P6\n2 1\n255\nabcdef'";

    #[test]
    fn a_stream_that_comes_back_and_is_lost_can_be_read_and_simulated() {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let there = folder.path().join("was-there");
        let body = format!(
            "if [ ! -e {0} ]; then touch {0}; {FRAME}; exit; fi; if [ ! -e {0}2 ]; then touch {0}2; {FRAME}; {FRAME}; {FRAME}; fi; exit 1",
            there.display()
        );
        let program_setting = stand_in(folder.path(), &body);
        let more = [
            "--set",
            &program_setting,
            "--set",
            "source.reconnect_initial=0.01",
            "--set",
            "source.reconnect_attempts=3",
            "--set",
            "source.policy=queue:2",
        ];
        let (model, out_path) = (checkpoint(), out.path().to_str().unwrap());
        let output = program(&arguments("rtsp://camera/1", model.to_str().unwrap(), out_path, &more))
            .output()
            .unwrap();
        let (message, code) = complaint(&output);
        assert!(message.contains("rtsp://camera/1: lost:") && code == 1, "{code}: {message}");
        let events = trace(out.path());
        let closing = &events[events.len() - 1];
        let told = closing["frames"].as_u64().unwrap() + closing["frames_dropped"].as_u64().unwrap();
        assert_eq!(told, 4);
        assert_eq!(closing["pace"]["interruptions"], 1);
        assert_eq!(names(&events).iter().filter(|name| **name == "source_interrupted").count(), 1);
        let times = times(&events);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        let parsed = prospect_evaluation::read_trace(&out.path().join("trace.jsonl")).unwrap();
        assert_eq!(prospect_session::broken_laws(&parsed), Vec::<String>::new());
        let simulated = program(&["simulate", out_path, "--strategies", "drop_all"]).output().unwrap();
        assert!(simulated.status.success(), "{}", text(&simulated.stderr));
    }

    /// A run of a camera that gives one frame and then nothing, which is sent Ctrl-C behind that frame.
    struct Ended {
        out: TempDir,
        output: Output,
    }

    fn interrupted_behind_a_frame(more: &[&str]) -> Ended {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pid = folder.path().join("pid");
        let setting =
            stand_in(folder.path(), &format!("{FRAME}; echo $$ > {}; exec sleep 600", pid.display()));
        let (model, to) = (checkpoint(), out.path().to_str().unwrap());
        let more = [&["--set", &setting], more].concat();
        let run = arguments("rtsp://camera", model.to_str().unwrap(), to, &more);
        let child = program(&run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        let frame_is_in = || {
            std::fs::read_to_string(out.path().join("trace.jsonl"))
                .is_ok_and(|text| text.contains("\"event\":\"frame\"") && pid.exists())
        };
        while !frame_is_in() {
            assert!(started.elapsed() < Duration::from_secs(120), "no frame after two minutes");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let ffmpeg = std::fs::read_to_string(&pid).unwrap();
        assert!(!Path::new("/proc").join(ffmpeg.trim()).exists() || !cfg!(target_os = "linux"));
        Ended { out, output }
    }

    #[test]
    fn ctrl_c_is_the_end_of_a_camera() {
        let Ended { out, output } = interrupted_behind_a_frame(&["--srt", "--report"]);
        let (printed, complaints) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), complaints.as_str()), (Some(0), ""));
        assert!(printed.contains("\n1 frame, ") && printed.contains("\ntrace: "), "{printed}");
        assert!(printed.contains("\nreport: "), "{printed}");
        let events = trace(out.path());
        let names = names(&events);
        assert!(names[names.len() - 1] == "run_finished" && !names.contains(&"error"), "{names:?}");
        let parsed = prospect_evaluation::read_trace(&out.path().join("trace.jsonl")).unwrap();
        assert_eq!(prospect_session::broken_laws(&parsed), Vec::<String>::new());
    }

    #[test]
    fn a_camera_that_is_written_down_is_suspended_by_ctrl_c() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stream");
        let Ended { out, output } = interrupted_behind_a_frame(&["--checkpoint", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(130));
        assert!(text(&output.stdout).contains("to go on with --resume") && file.exists());
        let events = trace(out.path());
        assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
    }
}
