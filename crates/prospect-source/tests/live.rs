//! Live sources with a stand-in for ffmpeg that gives frames, stalls, dies and comes back. One test at a time: the last one
//! counts what the process holds.
#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prospect_source::{
    Behind, Frame, FrameSource, InputOptions, Reconnect, SourceError, SourceOptions, StopSignal,
};
use tempfile::TempDir;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One frame of 2 x 1 pixels.
const FRAME: &str = r"printf 'P6\n2 1\n255\nabcdef'";

/// A shell script in ffmpeg's place. `$n` is how often it was started before.
struct StandIn {
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl StandIn {
    fn new(body: &str) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ffmpeg");
        let count = folder.path().join("count");
        let text = format!("#!/bin/sh\nread n < {0}\necho $((n + 1)) > {0}\n{body}\n", count.display());
        std::fs::write(&count, "0\n").unwrap();
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, _turn: turn }
    }

    /// Puts a program in ffprobe's place that gives this answer.
    fn probed(&self, answer: &str) {
        let program = self.folder.path().join("ffprobe");
        std::fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("count")).unwrap().trim().parse().unwrap()
    }

    fn input(&self) -> InputOptions {
        InputOptions {
            ffmpeg: self.folder.path().join("ffmpeg"),
            stall_timeout: Duration::from_secs(60),
            reconnect: Reconnect {
                initial: Duration::from_millis(1),
                longest: Duration::from_millis(2),
                attempts: Some(4),
                give_up_after: None,
            },
            ..InputOptions::default()
        }
    }
}

fn open(spec: &str, input: &InputOptions) -> Box<dyn FrameSource> {
    prospect_source::open_with(spec, SourceOptions::at(2.0), input, &StopSignal::default()).unwrap()
}

/// `f` for a frame, and the name of whatever stands in the place of one.
fn told(item: &Result<Frame, SourceError>) -> &'static str {
    match item {
        Ok(_) => "f",
        Err(SourceError::Interrupted { .. }) => "interrupted",
        Err(SourceError::Lost { .. }) => "lost",
        Err(SourceError::Ffmpeg { .. }) => "ffmpeg",
        Err(SourceError::Complaints { .. }) => "complaints",
        Err(_) => "other",
    }
}

fn all(mut source: Box<dyn FrameSource>) -> Vec<Result<Frame, SourceError>> {
    std::iter::from_fn(|| source.next_frame()).collect()
}

#[test]
fn a_camera_that_dies_and_comes_back_goes_on() {
    let stand_in = StandIn::new(&format!(
        "case $n in 0|2) {FRAME}; {FRAME};; 1) echo 'no route to host' >&2; exit 1;; *) exit 1;; esac"
    ));
    let items = all(open("rtsp://camera", &stand_in.input()));
    let names: Vec<&str> = items.iter().map(told).collect();
    assert_eq!(names, ["f", "f", "interrupted", "f", "f", "lost"]);
    let times: Vec<f64> = items.iter().flatten().map(|frame| frame.time).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    let indices: Vec<usize> = items.iter().flatten().map(|frame| frame.index).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let message = |at: usize| items[at].as_ref().unwrap_err().to_string();
    assert!(message(2).contains("(2 tries): the stream ended"), "{}", message(2));
    assert!(message(5).contains("no frame for") && message(5).contains("(4 tries)"), "{}", message(5));
    assert_eq!(stand_in.starts(), 3 + 4);
}

#[test]
fn a_camera_that_stalls_is_tried_again() {
    let stand_in = StandIn::new(&format!(
        "case $n in 0) {FRAME}; exec sleep 600;; 1) {FRAME}; exit 0;; *) exit 1;; esac"
    ));
    let input = InputOptions { stall_timeout: Duration::from_millis(300), ..stand_in.input() };
    let items = all(open("/dev/video99", &input));
    let names: Vec<&str> = items.iter().map(told).collect();
    assert_eq!(names, ["f", "interrupted", "f", "lost"]);
    assert!(items[1].as_ref().unwrap_err().to_string().contains("no frame for 0.3 s"));
}

#[test]
fn what_never_gave_a_frame_is_refused_at_once() {
    let stand_in = StandIn::new("echo 'rtsp://typo: Name or service not known' >&2; exit 1");
    let items = all(open("rtsp://typo", &stand_in.input()));
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), ["ffmpeg"]);
    assert!(items[0].as_ref().unwrap_err().to_string().contains("Name or service not known"));
    assert_eq!(stand_in.starts(), 1);
    let none = InputOptions { ffmpeg: "no-such-ffmpeg".into(), ..InputOptions::default() };
    let refused =
        prospect_source::open_with("rtsp://x", SourceOptions::at(1.0), &none, &StopSignal::default());
    assert!(matches!(refused.err(), Some(SourceError::NeedsFfmpeg { .. })));
}

#[test]
fn a_camera_that_is_awaited_or_was_seen_before_is_waited_for() {
    let script =
        format!("case $n in 0|1) echo 'no route to host' >&2; exit 1;; 2) {FRAME};; *) exit 1;; esac");
    let awaited = |input: InputOptions| InputOptions { is_awaited: true, ..input };
    let seen = |input: InputOptions| InputOptions { behind: Behind { index: 7, time: 3.5 }, ..input };
    for known in [&awaited as &dyn Fn(InputOptions) -> InputOptions, &seen] {
        let stand_in = StandIn::new(&script);
        let items = all(open("rtsp://camera", &known(stand_in.input())));
        assert_eq!(items.iter().map(told).collect::<Vec<_>>(), ["interrupted", "f", "lost"]);
        let interrupted = items[0].as_ref().unwrap_err().to_string();
        assert!(
            interrupted.contains("(2 tries)") && interrupted.contains("no route to host"),
            "{interrupted}"
        );
    }
}

#[test]
fn what_http_serves_may_end() {
    let stand_in = StandIn::new(&format!("{FRAME}; {FRAME}; {FRAME}"));
    let items = all(open("http://host/video", &stand_in.input()));
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), ["f", "f", "f"]);
    stand_in
        .probed(r#"{"streams": [{"index": 0, "codec_type": "video"}], "format": {"format_name": "rtsp"}}"#);
    let file = InputOptions { live: Some(false), ..stand_in.input() };
    let frames: Vec<Frame> =
        all(open("rtsp://host/recording", &file)).into_iter().map(Result::unwrap).collect();
    assert_eq!(frames.iter().map(|frame| frame.time).collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
}

#[test]
fn what_has_a_length_is_a_file_and_what_has_none_is_live() {
    let stand_in = StandIn::new(&format!("{FRAME}; {FRAME}; echo 'error while decoding MB 1 2' >&2"));
    let streams = r#""streams": [{"index": 0, "codec_type": "video", "disposition": {"attached_pic": 1}}, {"index": 3, "codec_type": "video"}]"#;
    stand_in.probed(&format!(
        r#"{{{streams}, "format": {{"format_name": "mov", "duration": "1.0", "start_time": "0.0"}}}}"#
    ));
    let mut source = open("https://host/a.mp4?token=secret", &stand_in.input());
    assert!(!source.is_live());
    assert_eq!(source.description(), "https://host/a.mp4?token=*** (through ffmpeg)");
    let items: Vec<_> = std::iter::from_fn(|| source.next_frame()).collect();
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), ["f", "f", "complaints"]);
    let complaint = items[2].as_ref().unwrap_err();
    assert_eq!(complaint.aftermath(), prospect_source::Aftermath::Note);
    assert!(!complaint.to_string().contains("secret"), "{complaint}");
    stand_in.probed(&format!(r#"{{{streams}, "format": {{"format_name": "hls"}}}}"#));
    assert!(open("https://host/live.m3u8", &stand_in.input()).is_live());
}

#[test]
fn what_was_cut_off_is_damage() {
    let stand_in = StandIn::new(&format!("{FRAME}; echo '[matroska] File ended prematurely at pos. 5' >&2"));
    stand_in.probed(r#"{"streams": [{"index": 0, "codec_type": "video"}], "format": {"duration": "1.0"}}"#);
    let items = all(open("http://host/a.mkv", &stand_in.input()));
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), ["f", "ffmpeg"]);
}

#[test]
fn whoever_waits_can_be_stopped() {
    let stand_in = StandIn::new(&format!("{FRAME}; exec sleep 600"));
    let stop = StopSignal::default();
    let mut source =
        prospect_source::open_with("rtsp://camera", SourceOptions::at(2.0), &stand_in.input(), &stop)
            .unwrap();
    assert!(source.next_frame().unwrap().is_ok());
    let waiting = std::thread::spawn(move || source.next_frame().is_none());
    stop.stop();
    assert!(waiting.join().unwrap());
}

/// Open files, threads, children (zombies among them) and resident memory in KiB of this process.
fn held() -> (usize, usize, usize, usize) {
    let entries = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let me = std::process::id().to_string();
    let is_child = |folder: &Path| {
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&me)
    };
    let children =
        std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_child(&entry.path())).count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let memory = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    (entries("/proc/self/fd"), entries("/proc/self/task"), children, memory)
}

#[test]
fn a_hundred_reconnects_leave_nothing_behind() {
    const RECONNECTS: usize = 100;
    // Every third one dies with a complaint, every third one in the middle of a frame.
    let stand_in = StandIn::new(&format!(
        "{FRAME}; case $((n % 3)) in 1) echo broken >&2; exit 1;; 2) printf 'P6\\n2 1\\n255\\nab';; esac"
    ));
    let (files_at_first, threads_at_first, ..) = held();
    let mut source = open("rtsp://camera", &stand_in.input());
    let mut frames = Vec::new();
    let mut interruptions = 0;
    let mut before = None;
    while interruptions < RECONNECTS {
        match source.next_frame().unwrap() {
            Ok(frame) => frames.push(frame.time),
            Err(SourceError::Interrupted { .. }) => interruptions += 1,
            Err(error) => panic!("{error}"),
        }
        if interruptions == 5 && before.is_none() {
            before = Some(held());
        }
    }
    assert_eq!(frames.len(), RECONNECTS);
    assert!(frames.windows(2).all(|pair| pair[0] < pair[1]));
    let (files, _, _, memory) = before.unwrap();
    let (after_files, _, children, after_memory) = held();
    assert!(after_files <= files + 4, "{after_files} files are open, {files} were");
    assert!(children <= 1, "{children} children");
    assert!(after_memory <= memory + 2048, "{after_memory} KiB, {memory} KiB before");
    drop(source);
    // The threads end when the pipes do, which is soon.
    let started = Instant::now();
    let settled = || {
        let (files_now, threads, children, _) = held();
        // Another test may have begun to wait for its turn.
        children == 0 && files_now <= files_at_first && threads <= threads_at_first + 1
    };
    while !settled() {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", held());
        std::thread::sleep(Duration::from_millis(5));
    }
}
