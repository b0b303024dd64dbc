//! Opens a source by its name: by the kind of file, and by its first bytes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::address::{self, STANDARD_INPUT, STDIN};
#[cfg(feature = "arrow")]
use crate::arrow::open as open_arrow;
use crate::clock::{Clock, SystemClock};
use crate::error::SourceError;
use crate::frame::{FrameSource, SourceOptions};
use crate::input::InputOptions;
use crate::stop::StopSignal;
use crate::{animation, ffmpeg, images, live, mp4, pipe, sample};

/// Opens a video file, an animation, an image, a folder of images, a glob of images, `-` for standard input,
/// or anything else that ffmpeg can open.
///
/// Videos and animations are sampled: the frame at stream time `start + k / fps` is the latest frame whose
/// time stamp is not after it. In a folder, a glob or a stream of images every image is one frame, and image
/// number k has the time `k / fps`. The time of a live frame is its arrival, counted from the first frame.
///
/// # Errors
/// One variant of [`SourceError`] for every way in which `spec` is not a source.
pub fn open(spec: &str, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    open_with(spec, options, &InputOptions::default(), &StopSignal::default())
}

/// Like [`open`], with the options of `input`. A source that waits for its next frame ends when `stop` is
/// given.
///
/// # Errors
/// The errors of [`open`].
pub fn open_with(
    spec: &str,
    options: SourceOptions,
    input: &InputOptions,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, SourceError> {
    options.check()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let local = address::path_of_file_address(spec);
    let spec = local.as_deref().unwrap_or(spec);
    if live::is_stream(spec) && input.live != Some(false) {
        return open_stream(spec, options, input, &clock, stop);
    }
    if input.live == Some(true) {
        let all = SourceOptions::at(options.fps);
        return Ok(Box::new(live::Stamped::new(
            open_file(spec, all, input, stop)?,
            options,
            input.behind,
            clock,
        )));
    }
    open_file(spec, options, input, stop)
}

/// Opens an address. It is live, unless it is served like a file and has a length.
fn open_stream(
    spec: &str,
    options: SourceOptions,
    input: &InputOptions,
    clock: &Arc<dyn Clock>,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, SourceError> {
    if input.live.is_none() && live::may_be_file(spec) {
        let opened = ffmpeg::Opened::of(spec);
        // Of what does not answer in time, or not at all, the live source says what is wrong with it.
        let probe = ffmpeg::Probe::of(&opened, input, Some(input.stall_timeout), stop).ok();
        if let Some(probe) = probe.filter(|probe| probe.ends) {
            let file = ffmpeg::FfmpegFile::begin(spec, "a network stream", options, input, (&probe, stop))?;
            return Ok(Box::new(file));
        }
    }
    live::open(spec, options, input, clock, stop)
}

/// Opens a source that has a beginning and its own time stamps.
fn open_file(
    spec: &str,
    options: SourceOptions,
    input: &InputOptions,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, SourceError> {
    if spec == STDIN {
        return Ok(Box::new(pipe::Pipe::new(STANDARD_INPUT, Box::new(pipe::Stdin::open(stop)?), options)));
    }
    let path = Path::new(spec);
    if path.is_dir() {
        return Ok(Box::new(images::ImageFiles::folder(path, options)?));
    }
    if !path.exists() {
        if spec.contains("://") {
            return Ok(Box::new(ffmpeg::FfmpegFile::open(spec, "a network stream", options, input, stop)?));
        }
        if spec.contains(['*', '?', '[']) {
            return Ok(Box::new(images::ImageFiles::pattern(spec, options)?));
        }
        return Err(SourceError::NotFound { path: path.to_owned() });
    }
    let bytes = || {
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        File::open(path)
            .map(|file| Box::new(pipe::Pipe::new(spec, Box::new(file), options)))
            .map_err(unreadable)
    };
    if is_fifo(path) {
        // Nobody may ever write into it: it is opened where the wait for it can be ended.
        return Ok(Box::new(pipe::Pipe::new(spec, Box::new(pipe::Stdin::of_fifo(path, stop)?), options)));
    }
    match kind(path)? {
        Kind::Mp4 => open_mp4(spec, path, options, input, stop),
        Kind::Gif => animation::open_gif(path, options),
        Kind::WebP => animation::open_webp(path, options),
        Kind::Arrow => open_arrow(path, options),
        Kind::Y4m => Ok(bytes()?),
        Kind::Image => Ok(Box::new(images::ImageFiles::single(path, options))),
        Kind::Other => Ok(Box::new(ffmpeg::FfmpegFile::open(spec, "this format", options, input, stop)?)),
    }
}

/// Whether a path is a named pipe, whose first bytes cannot be examined in advance.
fn is_fifo(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        // A terminal or another device waits as a pipe does; cameras are ffmpeg's.
        let waits = |kind: std::fs::FileType| kind.is_fifo() || kind.is_char_device() || kind.is_socket();
        let is_camera = path.to_string_lossy().starts_with("/dev/video");
        !is_camera && std::fs::metadata(path).is_ok_and(|about| waits(about.file_type()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

enum Kind {
    Mp4,
    Gif,
    WebP,
    Arrow,
    Y4m,
    Image,
    Other,
}

/// The kind of a file by its first bytes, because names are wrong more often than contents.
fn kind(path: &Path) -> Result<Kind, SourceError> {
    use std::io::Read;
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(12).read_to_end(&mut head)).map_err(unreadable)?;
    if head.is_empty() {
        return Err(SourceError::NoFrames { path: path.to_owned() });
    }
    let at = |from: usize, text: &[u8]| head.get(from..from + text.len()) == Some(text);
    Ok(if at(4, b"ftyp") {
        Kind::Mp4
    } else if at(0, b"GIF8") {
        Kind::Gif
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Kind::WebP
    } else if at(0, b"\xff\xff\xff\xff") || path.extension().is_some_and(|extension| extension == "arrow") {
        Kind::Arrow
    } else if at(0, pipe::Y4M) {
        Kind::Y4m
    } else if at(0, b"\x89PNG") || at(0, b"\xff\xd8\xff") || at(0, b"BM") {
        Kind::Image
    } else {
        Kind::Other
    })
}

#[cfg(not(feature = "arrow"))]
fn open_arrow(path: &Path, _: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    Err(SourceError::NeedsArrow { path: path.to_owned() })
}

fn open_mp4(
    spec: &str,
    path: &Path,
    options: SourceOptions,
    input: &InputOptions,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, SourceError> {
    match mp4::Mp4Video::open(path)? {
        mp4::Opened::Video(video) => {
            let length = sample::count(&video.times(), video.end(), options);
            let description = format!("{spec} (mp4, H.264)");
            Ok(Box::new(sample::Sampled::new(*video, options, Some(length), description)))
        }
        mp4::Opened::Foreign(what) => {
            Ok(Box::new(ffmpeg::FfmpegFile::open(spec, &what, options, input, stop)?))
        }
    }
}
