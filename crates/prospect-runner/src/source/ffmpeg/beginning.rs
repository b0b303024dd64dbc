//! When a file begins: its images come without time stamps, so that ffmpeg is asked for the first one.

use std::process::{Command, Stdio};

use super::command;
use crate::source::InputOptions;
use crate::source::sample::TOLERANCE;

/// Formats whose clock begins anywhere, often after hours. Players count from where it does.
const FREE_CLOCKS: [&str; 3] = ["mpegts", "mpeg", "hls"];

/// When a file begins, in seconds of stream time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Beginning {
    /// What ffmpeg counts from: the beginning of the first of all streams.
    pub(super) origin: f64,
    /// When the first frame is shown.
    pub(super) first: f64,
}

impl Beginning {
    /// Decodes the first frame. A file of which nothing is said begins at 0.
    pub(super) fn of_file(spec: &str, input: &InputOptions) -> std::io::Result<Self> {
        let mut command: Command = command::of_first_frame(spec, input);
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
        Ok(Self::parse(&String::from_utf8_lossy(&output.stderr)).unwrap_or_default())
    }

    /// Reads what ffmpeg says of its input, and the filter `showinfo` of the frame.
    fn parse(said: &str) -> Option<Self> {
        let behind = |key: &str, end: &[char]| {
            let (_, rest) = said.split_once(key)?;
            rest.split(end).next().map(str::trim)
        };
        let seconds =
            |key, end: &[char]| behind(key, end)?.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        let start = seconds(", start: ", &[',', '\n'])?;
        let first = seconds("pts_time:", &[' ', '\n'])?;
        let free = said
            .split_once("Input #0, ")
            .and_then(|(_, rest)| rest.split_once(", from "))
            .is_some_and(|(names, _)| names.split(',').any(|name| FREE_CLOCKS.contains(&name)));
        let origin = if free { 0.0 } else { start };
        Some(Self { origin, first: origin + first - start })
    }

    /// The first of the times `start + k / fps` at which a frame is shown, as k.
    pub(super) fn first_slot(&self, start: f64, fps: f64) -> usize {
        ((self.first - TOLERANCE - start) * fps).ceil().max(0.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(format: &str, start: &str, first: &str) -> Option<Beginning> {
        Beginning::parse(&format!(
            "Input #0, {format}, from 'a':\n  Duration: 00:00:04.50, start: {start}, bitrate: 50 kb/s\n\
             [Parsed_showinfo_0 @ 0x55] n:   0 pts: 144000 pts_time:{first}     pos:      564\n\
             [Parsed_showinfo_0 @ 0x55] n:   1 pts: 153000 pts_time:99     pos:     3196\n"
        ))
    }

    #[test]
    fn a_file_has_its_own_time_and_a_recording_is_counted_from_its_start() {
        let begins = |origin, first| Some(Beginning { origin, first });
        assert_eq!(said("matroska,webm", "0.000000", "1.503"), begins(0.0, 1.503));
        assert_eq!(said("mov,mp4,m4a", "1.500000", "1.5"), begins(1.5, 1.5));
        assert_eq!(said("mpegts", "36001.000000", "36001.5"), begins(0.0, 0.5));
        assert_eq!(said("avi", "N/A", "1.5"), None);
        assert_eq!(said("avi", "0.0", "NOPTS"), None);
        assert_eq!(Beginning::parse("Input #0, h264, from 'a':\n  Duration: N/A, bitrate: N/A"), None);
    }

    #[test]
    fn the_first_slot_is_not_before_the_first_frame() {
        let slots = |first| Beginning { origin: 0.0, first }.first_slot(1.0, 2.0);
        assert_eq!([0.0, 1.0, 1.500_000_4, 1.6, 3.0].map(slots), [0, 0, 1, 2, 4]);
    }
}
