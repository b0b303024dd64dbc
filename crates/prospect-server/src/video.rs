//! Reads the frames of videos in requests, within limits.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use image::RgbImage;
use prospect_source::{InputOptions, SourceError, SourceOptions, StopSignal, open_with};

use crate::backend::ChatVideo;
use crate::error::ApiError;
use crate::guard::Limits;
use crate::picture::{check_size, pixels_of};

/// Formats that are decoded in this process. Other videos would need ffmpeg, which must not get the
/// bytes of strangers.
const EXPECTED: &str = "expected mp4 with H.264, or an animated GIF or WebP";
/// An empty program name, so that ffmpeg is never started.
const NO_PROGRAM: &str = "";

/// The frames of a video at `fps` frames per second, each of them as `keep` gives it back: only one
/// frame at a time is in memory in its own size.
///
/// # Errors
/// The bytes are not a supported video, or the video has too many frames or pixels, or decoding takes
/// too long.
pub(crate) fn frames_of(
    bytes: &[u8],
    fps: f64,
    limits: &Limits,
    until: Instant,
    keep: impl Fn(Arc<RgbImage>) -> Result<Arc<RgbImage>, ApiError>,
) -> Result<ChatVideo, ApiError> {
    let is = |at: usize, text: &[u8]| bytes.get(at..at + text.len()) == Some(text);
    let is_animation = is(0, b"GIF8") || (is(0, b"RIFF") && is(8, b"WEBP"));
    if !is(4, b"ftyp") && !is_animation {
        return Err(ApiError::bad_request(format!("the video: {EXPECTED}")));
    }
    if is_animation {
        // The size of an animation is in its header.
        check_size(bytes, limits.pixels)?;
    }
    let unwritten =
        |error| ApiError::from(crate::OpenError::Failed(format!("the video cannot be kept: {error}")));
    let mut file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    file.write_all(bytes).map_err(unwritten)?;
    let path = file.path().to_string_lossy();
    // One more frame than allowed is read, to detect that there are too many.
    let most = limits.frames_a_request;
    let options = SourceOptions { max_frames: Some(most + 1), ..SourceOptions::at(fps) };
    let input = InputOptions { ffmpeg: NO_PROGRAM.into(), live: Some(false), ..InputOptions::default() };
    let mut source =
        open_with(&path, options, &input, &StopSignal::default()).map_err(|error| refused(&error, &path))?;
    let mut frames: Vec<(f64, Arc<RgbImage>)> = Vec::new();
    let mut kept = 0;
    while let Some(frame) = source.next_frame() {
        let frame = frame.map_err(|error| refused(&error, &path))?;
        let too_large = |problem: String| Err(ApiError::too_large(format!("the video: {problem}")));
        if Instant::now() > until {
            let message = "the video: it takes too long to decode: expected fewer or smaller frames";
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message));
        }
        if frames.len() == most || pixels_of(&frame.image) > limits.pixels {
            let pixels = limits.pixels;
            return too_large(format!(
                "expected at most {most} frames at {fps} a second, of at most {pixels} pixels"
            ));
        }
        let image = keep(frame.image)?;
        kept += pixels_of(&image);
        if kept > limits.pixels_a_request {
            return too_large(format!("expected at most {} pixels in all", limits.pixels_a_request));
        }
        frames.push((frame.time, image));
    }
    match frames.is_empty() {
        true => Err(ApiError::bad_request("the video has no frame")),
        false => Ok(ChatVideo { frames, fps }),
    }
}

/// The error of a source without the name of the temporary file, which clients must not see.
fn refused(error: &SourceError, path: &str) -> ApiError {
    match error {
        SourceError::NeedsFfmpeg { what, .. } => {
            ApiError::bad_request(format!("the video is {what}: {EXPECTED}"))
        }
        error => ApiError::bad_request(error.to_string().replace(path, "the video")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame, RgbaImage};

    use super::*;

    fn gif(frames: usize, edge: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for number in 0..frames {
            let image = RgbaImage::from_pixel(
                edge,
                edge,
                image::Rgba([u8::try_from(number % 200).unwrap(), 9, 9, 255]),
            );
            let delay = Delay::from_saturating_duration(Duration::from_millis(500));
            encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).unwrap();
        }
        drop(encoder);
        bytes
    }

    fn frames(bytes: &[u8], limits: &Limits) -> Result<Vec<f64>, (u16, String)> {
        let video = frames_of(bytes, 2.0, limits, Instant::now() + Duration::from_secs(60), Ok);
        let video = video.map_err(|error| (error.status.as_u16(), error.message))?;
        Ok(video.frames.iter().map(|(time, _)| *time).collect())
    }

    #[test]
    fn a_video_is_its_frames_within_bounds() {
        let limits = Limits { frames_a_request: 4, pixels: 100, ..Limits::default() };
        assert_eq!(frames(&gif(4, 8), &limits), Ok(vec![0.0, 0.5, 1.0, 1.5]));
        for (bytes, status) in [(gif(5, 8), 413), (gif(2, 11), 413)] {
            assert_eq!(frames(&bytes, &limits).unwrap_err().0, status);
        }
        let late = frames_of(&gif(2, 8), 2.0, &limits, Instant::now(), Ok);
        assert_eq!(late.unwrap_err().status.as_u16(), 408);
    }

    #[test]
    fn a_videos_frames_are_kept_small_and_not_too_many_pixels_of_them() {
        let limits = Limits { frames_a_request: 4, pixels: 100, pixels_a_request: 200, ..Limits::default() };
        assert_eq!(frames(&gif(4, 8), &limits).unwrap_err().0, 413);
        let until = Instant::now() + Duration::from_secs(60);
        let small = |_| Ok(Arc::new(RgbImage::new(2, 2)));
        let video = frames_of(&gif(4, 8), 2.0, &limits, until, small).unwrap();
        assert!(video.frames.iter().all(|(_, frame)| frame.dimensions() == (2, 2)));
        assert_eq!(video.frames.len(), 4);
    }

    #[test]
    fn what_another_program_would_have_to_decode_is_refused_without_one() {
        let limits = Limits::default();
        for bytes in [
            &b""[..],
            b"GIF8",
            b"RIFFxxxxWEBP",
            b"\x1aE\xdf\xa3matroska",
            b"#EXTM3U\nfile:///etc/passwd",
            b"....ftypisom",
        ] {
            let (status, said) = frames(bytes, &limits).unwrap_err();
            assert!(status == 400 && said.lines().count() == 1 && !said.contains("/tmp"), "{said}");
        }
    }
}
