//! The ffmpeg command lines.

use std::process::Command;

use crate::source::{InputOptions, SourceOptions};

/// A part of a file, from the time `start + slot / fps` on; at most `frames`. `fps` with `round=up` puts into each slot the
/// latest frame that is not after it: the rule of the other sources.
///
/// The part's end is a number of frames, since ffmpeg counts `-t` from the first one where nothing is skipped.
pub(super) fn of_file(
    spec: &str,
    options: SourceOptions,
    input: &InputOptions,
    (origin, slot, frames): (f64, usize, Option<usize>),
) -> Command {
    let mut command = begin(input);
    let skipped = (options.start - origin).max(0.0);
    if skipped > 0.0 {
        command.args(["-ss", &skipped.to_string()]);
    }
    command.args(&input.ffmpeg_input);
    let first = options.start + slot as f64 / options.fps - origin - skipped;
    let filter = format!("setpts=PTS-{first:.6}/TB,fps=fps={}:round=up:start_time=0", options.fps);
    finish(command, spec, &filter, frames)
}

/// What is known of a file, and when its first frame is shown.
pub(super) fn of_first_frame(spec: &str, input: &InputOptions) -> Command {
    let mut command = Command::new(&input.ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-v", "info", "-copyts"]).args(&input.ffmpeg_input);
    command.arg("-i").arg(spec).args([
        "-map",
        "0:v:0",
        "-vf",
        "showinfo",
        "-frames:v",
        "1",
        "-f",
        "null",
        "-",
    ]);
    command
}

/// A stream from now on.
pub(super) fn of_stream(spec: &str, fps: f64, input: &InputOptions) -> Command {
    let mut command = begin(input);
    if spec.starts_with("/dev/video") {
        command.args(["-f", "v4l2"]);
    }
    command.args(&input.ffmpeg_input);
    finish(command, spec, &format!("fps=fps={fps}:round=up"), None)
}

fn begin(input: &InputOptions) -> Command {
    let mut command = Command::new(&input.ffmpeg);
    command.args(["-v", "error", "-nostdin"]);
    command
}

fn finish(mut command: Command, spec: &str, filter: &str, frames: Option<usize>) -> Command {
    command.arg("-i").arg(spec).args(["-map", "0:v:0", "-an", "-sn"]);
    command.args(["-vf", filter]);
    if let Some(most) = frames {
        command.args(["-frames:v", &most.to_string()]);
    }
    command.args(["-f", "image2pipe", "-c:v", "ppm", "-"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn the_users_arguments_stand_before_the_input() {
        let input =
            InputOptions { ffmpeg_input: vec!["-rtsp_transport".into(), "tcp".into()], ..Default::default() };
        let options = SourceOptions { fps: 2.0, start: 1.5, end: Some(4.0), max_frames: Some(9) };
        assert_eq!(
            line(&of_file("a.mkv", options, &input, (0.0, 0, Some(5)))),
            "-v error -nostdin -ss 1.5 -rtsp_transport tcp -i a.mkv -map 0:v:0 -an -sn -vf setpts=PTS-0.000000/TB,fps=fps=2:round=up:start_time=0 -frames:v 5 -f image2pipe -c:v ppm -"
        );
        // A file that begins at 1.6 s, before which there is nothing to skip.
        assert_eq!(
            line(&of_file("a.mkv", options, &input, (1.6, 1, None))),
            "-v error -nostdin -rtsp_transport tcp -i a.mkv -map 0:v:0 -an -sn -vf setpts=PTS-0.400000/TB,fps=fps=2:round=up:start_time=0 -f image2pipe -c:v ppm -"
        );
        assert_eq!(
            line(&of_stream("/dev/video0", 0.5, &InputOptions::default())),
            "-v error -nostdin -f v4l2 -i /dev/video0 -map 0:v:0 -an -sn -vf fps=fps=0.5:round=up -f image2pipe -c:v ppm -"
        );
    }
}
