//! The ffmpeg command lines.

use std::process::Command;

use crate::source::{InputOptions, SourceOptions};

/// A part of a file. `fps` with `round=up` puts into each slot the latest frame that is not after it: the rule of the
/// other sources.
pub(super) fn of_file(spec: &str, options: SourceOptions, input: &InputOptions) -> Command {
    let mut command = begin(input);
    if options.start > 0.0 {
        command.args(["-ss", &options.start.to_string()]);
    }
    if let Some(end) = options.end {
        command.args(["-t", &(end - options.start).to_string()]);
    }
    command.args(&input.ffmpeg_input);
    finish(command, spec, options.fps, options.max_frames)
}

/// A stream from now on.
pub(super) fn of_stream(spec: &str, fps: f64, input: &InputOptions) -> Command {
    let mut command = begin(input);
    if spec.starts_with("/dev/video") {
        command.args(["-f", "v4l2"]);
    }
    command.args(&input.ffmpeg_input);
    finish(command, spec, fps, None)
}

fn begin(input: &InputOptions) -> Command {
    let mut command = Command::new(&input.ffmpeg);
    command.args(["-v", "error", "-nostdin"]);
    command
}

fn finish(mut command: Command, spec: &str, fps: f64, max_frames: Option<usize>) -> Command {
    command.arg("-i").arg(spec).args(["-map", "0:v:0", "-an", "-sn"]);
    command.args(["-vf", &format!("fps=fps={fps}:round=up")]);
    if let Some(most) = max_frames {
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
            line(&of_file("a.mkv", options, &input)),
            "-v error -nostdin -ss 1.5 -t 2.5 -rtsp_transport tcp -i a.mkv -map 0:v:0 -an -sn -vf fps=fps=2:round=up -frames:v 9 -f image2pipe -c:v ppm -"
        );
        assert_eq!(
            line(&of_stream("/dev/video0", 0.5, &InputOptions::default())),
            "-v error -nostdin -f v4l2 -i /dev/video0 -map 0:v:0 -an -sn -vf fps=fps=0.5:round=up -f image2pipe -c:v ppm -"
        );
    }
}
