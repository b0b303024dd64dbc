//! The properties of a source, from ffprobe's JSON: the video stream, its begin, and whether it ends.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::command::{self, Opened};
use super::complaints::shown;
use crate::sample::TOLERANCE;
use crate::{InputOptions, StopSignal};

/// The formats whose clock may begin at any time, often after hours. Players count from the first time stamp.
const FREE_CLOCKS: [&str; 3] = ["mpegts", "mpeg", "hls"];
/// The interval at which a wait checks whether it should continue.
const POLL: Duration = Duration::from_millis(20);
/// The longest answer that is read. An answer about thousands of streams has 1 MB.
const LONGEST_ANSWER: u64 = 16 << 20;
/// The latest time that is accepted, in seconds. Times since 1970 have ten digits.
const LATEST: f64 = 1e12;
/// The packets that are decoded to find the first frame.
const FIRST_PACKETS: &str = "%+#24";

/// The properties of a source before its first frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Probe {
    /// The index of the video stream among all streams.
    pub(super) stream: Option<usize>,
    /// The time from which ffmpeg counts: the begin of the earliest stream.
    pub(super) origin: f64,
    /// The stream time in seconds at which the first frame is shown.
    pub(super) first: f64,
    /// The declared duration of the whole source, in seconds.
    pub(super) duration: Option<f64>,
    /// Whether the source ends.
    pub(crate) ends: bool,
}

/// The reason why the properties are not known.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// The program cannot be started.
    NotStarted { program: PathBuf, error: std::io::Error },
    /// There was no answer in time, or the caller stopped.
    NoAnswer,
    /// The error of ffprobe.
    Refused(String),
    /// There is no video in the source.
    NoVideo,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    frames: Vec<Frame>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    index: usize,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    disposition: Disposition,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: i64,
    #[serde(default)]
    timed_thumbnails: i64,
}

#[derive(Deserialize)]
struct Frame {
    best_effort_timestamp_time: Option<String>,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    start_time: Option<String>,
    duration: Option<String>,
}

impl Probe {
    /// Asks ffprobe. Waits at most as long as `patience`, and ends if `stop` is given.
    pub(crate) fn of(
        opened: &Opened<'_>,
        input: &InputOptions,
        patience: Option<Duration>,
        stop: &StopSignal,
    ) -> Result<Self, ProbeError> {
        let until = patience.map(|patience| Instant::now() + patience);
        let streams = ask(command::of_streams(opened, input), opened, until, stop)?;
        let stream = video(&streams.streams).ok_or(ProbeError::NoVideo)?;
        // A live source gives its first frame when it has one; it has no beginning either.
        let mut probe = Self::from_format(&streams.format);
        probe.stream = Some(stream);
        if probe.ends {
            let frames = ask(command::of_frames(opened, input, stream, FIRST_PACKETS), opened, until, stop)?;
            probe.begin(&streams.format, &frames.frames);
        }
        Ok(probe)
    }

    fn from_format(format: &Format) -> Self {
        let duration = seconds(format.duration.as_ref()).filter(|duration| *duration > 0.0);
        Self { ends: duration.is_some(), duration, ..Self::default() }
    }

    fn begin(&mut self, format: &Format, frames: &[Frame]) {
        let start = seconds(format.start_time.as_ref()).unwrap_or(0.0);
        let stamps = frames.iter().filter_map(|frame| seconds(frame.best_effort_timestamp_time.as_ref()));
        let first = stamps.reduce(f64::min).unwrap_or(start);
        let free = format.format_name.split(',').any(|name| FREE_CLOCKS.contains(&name));
        self.origin = if free { 0.0 } else { start };
        self.first = self.origin + first - start;
    }

    /// The first `k` for which a frame is shown at the time `start + k / fps`.
    pub(super) fn first_slot(&self, start: f64, fps: f64) -> usize {
        ((self.first - TOLERANCE - start) * fps).ceil().max(0.0) as usize
    }
}

/// The first video stream that is neither a cover picture nor a strip of thumbnails.
fn video(streams: &[Stream]) -> Option<usize> {
    let is_picture =
        |stream: &&Stream| stream.disposition.attached_pic != 0 || stream.disposition.timed_thumbnails != 0;
    let mut videos = streams.iter().filter(|stream| stream.codec_type == "video");
    let first = videos.clone().next();
    videos.find(|stream| !is_picture(stream)).or(first).map(|stream| stream.index)
}

fn seconds(text: Option<&String>) -> Option<f64> {
    text?.parse().ok().filter(|seconds: &f64| seconds.abs() <= LATEST)
}

fn ask(
    mut command: Command,
    opened: &Opened<'_>,
    until: Option<Instant>,
    stop: &StopSignal,
) -> Result<Answer, ProbeError> {
    let program = PathBuf::from(command.get_program());
    let not_started = |error| ProbeError::NotStarted { program: program.clone(), error };
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(not_started)?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let Some((answer, complaint)) = pipes else {
        return Err(not_started(std::io::Error::other("no pipe to it")));
    };
    let read = |pipe: Box<dyn Read + Send>| {
        let all = move || {
            let mut bytes = Vec::new();
            // What was read before a failure is all there is.
            let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes);
            bytes
        };
        std::thread::Builder::new().spawn(all)
    };
    let (answer, complaint) = match (read(Box::new(answer)), read(Box::new(complaint))) {
        (Ok(answer), Ok(complaint)) => (answer, complaint),
        (Err(error), _) | (_, Err(error)) => {
            end(&mut child);
            return Err(not_started(error));
        }
    };
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if !stop.is_stopped() && until.is_none_or(|until| Instant::now() < until) => {
                std::thread::sleep(POLL);
            }
            _ => break None,
        }
    };
    let Some(status) = status else {
        end(&mut child);
        return Err(ProbeError::NoAnswer);
    };
    let (answer, complaint) = (answer.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    match parse(&answer) {
        Some(parsed) if status.success() => Ok(parsed),
        _ => Err(ProbeError::Refused(last_line(&complaint, &opened.input()))),
    }
}

/// Ends the child process and waits for it.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn parse(answer: &[u8]) -> Option<Answer> {
    serde_json::from_slice(answer).ok()
}

/// The line that says why ffprobe failed. It is the last line, except for a format that is not opened;
/// earlier lines are about details.
fn last_line(complaint: &[u8], address: &str) -> String {
    let lines = complaint.split(|&byte| byte == b'\n');
    if lines.clone().any(|line| String::from_utf8_lossy(line).contains("not on whitelist")) {
        return "it is a playlist, or names other files: what a foreign file names is not opened".to_owned();
    }
    let last = lines.rev().map(|line| shown(line, address)).find(|line| !line.is_empty());
    last.unwrap_or_else(|| "ffprobe failed and said nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutations::{cases, change_json, json_changes, mutate, mutations, odd_values};

    fn said(streams: &str, frames: &str, format: &str) -> Probe {
        let json = format!(r#"{{"streams": [{streams}], "frames": [{frames}], "format": {format}}}"#);
        let answer = parse(json.as_bytes()).unwrap();
        let mut probe = Probe::from_format(&answer.format);
        probe.stream = video(&answer.streams);
        probe.begin(&answer.format, &answer.frames);
        probe
    }

    #[test]
    fn a_file_has_its_own_time_and_a_recording_is_counted_from_its_start() {
        let begins = |format: &str, start: &str, first: &str| {
            let frames = format!(
                r#"{{"best_effort_timestamp_time": "{first}"}}, {{"best_effort_timestamp_time": "99999"}}, {{}}"#
            );
            let probe =
                said("", &frames, &format!(r#"{{"format_name": "{format}", "start_time": "{start}"}}"#));
            (probe.origin, probe.first)
        };
        assert_eq!(begins("matroska,webm", "0.000000", "1.503"), (0.0, 1.503));
        assert_eq!(begins("mov,mp4,m4a", "1.500000", "1.5"), (1.5, 1.5));
        assert_eq!(begins("mpegts", "36001.000000", "36001.5"), (0.0, 0.5));
        assert_eq!(said("", "", "{}"), Probe::default());
    }

    #[test]
    fn words_in_a_file_are_words() {
        let format = r#"{"format_name": "matroska", "start_time": "0", "duration": "66.5",
            "tags": {"comment": "take 2, start: 50, pts_time:70 x"}}"#;
        let probe = said("", r#"{"best_effort_timestamp_time": "0"}"#, format);
        assert_eq!((probe.first, probe.ends), (0.0, true));
    }

    #[test]
    fn cover_pictures_are_no_videos() {
        let stream = |index: usize, kind: &str, picture: u8| {
            format!(
                r#"{{"index": {index}, "codec_type": "{kind}", "disposition": {{"attached_pic": {picture}}}}}"#
            )
        };
        let streams = |list: &[String]| said(&list.join(","), "", "{}").stream;
        let cover = stream(0, "video", 1);
        assert_eq!(streams(&[cover.clone(), stream(1, "audio", 0), stream(2, "video", 0)]), Some(2));
        assert_eq!(streams(&[cover]), Some(0));
        assert_eq!(streams(&[stream(0, "audio", 0)]), None);
    }

    #[test]
    fn the_first_slot_is_not_before_the_first_frame() {
        let slots = |first| Probe { first, ..Probe::default() }.first_slot(1.0, 2.0);
        assert_eq!([0.0, 1.0, 1.500_000_4, 1.6, 3.0].map(slots), [0, 0, 1, 2, 4]);
    }

    #[test]
    fn a_list_of_files_is_told_from_damage() {
        let said = b"[hls @ 0x5] Format not on whitelist 'mov'\nfile:a.mkv: Invalid argument\n";
        assert!(last_line(said, "a.mkv").contains("what a foreign file names is not opened"));
        assert_eq!(
            last_line(b"[mov] moov atom not found\na.mp4: Invalid data\n\n", "a.mp4"),
            "a.mp4: Invalid data"
        );
    }

    /// What ffprobe says of a recording with sound and a cover picture.
    const SAID: &str = r#"{"streams": [
        {"index": 0, "codec_name": "mp3", "codec_type": "audio", "start_time": "1.4", "disposition": {"attached_pic": 0}},
        {"index": 1, "codec_type": "video", "disposition": {"default": 1, "attached_pic": 1, "timed_thumbnails": 0}},
        {"index": 2, "codec_type": "video", "avg_frame_rate": "25/1", "disposition": {"attached_pic": 0}, "tags": {}}],
        "frames": [{"best_effort_timestamp_time": "1.48"}, {"best_effort_timestamp_time": "1.44", "key_frame": 1}, {}],
        "format": {"filename": "a.ts", "nb_streams": 3, "format_name": "mpegts", "start_time": "1.4", "duration": "20.5"}}"#;

    /// What may stand for a number, or in its place.
    fn values() -> impl Strategy<Value = serde_json::Value> {
        let texts = [
            "N/A",
            "nan",
            "inf",
            "-inf",
            "1e308",
            "-1e308",
            "1e12",
            "-3.5",
            "0",
            "9223372036854.775807",
            "video",
            "mpegts",
            "mov,mp4",
        ];
        let texts = prop::sample::select(texts.to_vec()).prop_map(String::from);
        let numbers = any::<f64>().prop_map(|number| number.to_string());
        prop_oneof![2 => texts.prop_map(Into::into), 1 => numbers.prop_map(Into::into), 1 => odd_values()]
    }

    /// What of an answer the frames are counted by.
    fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
        let Some(answer) = parse(bytes) else { return Ok(()) };
        let mut probe = Probe::from_format(&answer.format);
        probe.begin(&answer.format, &answer.frames);
        prop_assert!(probe.first.is_finite() && probe.origin.is_finite());
        prop_assert!(probe.duration.is_none_or(|duration| duration > 0.0 && duration.is_finite()));
        prop_assert_eq!(probe.ends, probe.duration.is_some());
        if let Some(stream) = video(&answer.streams) {
            prop_assert!(
                answer.streams.iter().any(|other| other.index == stream && other.codec_type == "video")
            );
        }
        for (start, fps) in [(0.0, 2.0), (7.25, 30.0)] {
            let slot = probe.first_slot(start, fps);
            prop_assert!(slot < usize::MAX / 2, "frames are counted from it on");
            let near = 1e-3 + 1e-9 * probe.first.abs();
            prop_assert!(start + slot as f64 / fps >= probe.first - near, "a slot before the first frame");
            prop_assert!(
                slot == 0 || start + (slot - 1) as f64 / fps < probe.first + near,
                "a slot too late"
            );
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(256)) })]

        #[test]
        fn no_answer_panics(answer in r#"[{}\[\]":,a-z0-9._ ]{0,80}"#) {
            check(answer.as_bytes())?;
        }

        #[test]
        fn frames_are_counted_from_a_time_that_there_is(changes in json_changes(values())) {
            let mut said = serde_json::from_str(SAID).unwrap();
            change_json(&mut said, &changes);
            check(said.to_string().as_bytes())?;
        }

        #[test]
        fn a_damaged_answer_is_read_or_refused(changes in mutations()) {
            let mut said = SAID.as_bytes().to_vec();
            mutate(&mut said, &changes);
            check(&said)?;
        }

        #[test]
        fn why_it_gave_up_is_one_short_line(lines in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            (0usize..900).prop_map(|length| format!("{} rtsp://USER:PASSWORD@host?x=TOKENTOKEN", "x".repeat(length)).into_bytes()),
        ], 0..5)) {
            let line = last_line(&lines.join(&b'\n'), "rtsp://USER:PASSWORD@host?x=TOKENTOKEN");
            prop_assert!(!line.is_empty() && line.chars().count() <= 500, "{}", line);
            prop_assert!(!line.contains("PASSW") && !line.contains("TOKEN") && !line.contains(char::is_control), "{}", line);
        }
    }
}
