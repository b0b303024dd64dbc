//! Animated GIF and WebP; the frame delays give the time stamps.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use image::codecs::gif::GifDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, ImageError, RgbImage};

use super::images::ImageFiles;
use super::sample::{Pictures, Sampled, Timed};
use super::{FrameSource, SourceError, SourceOptions};

/// What players do with a delay of zero.
const DEFAULT_DELAY: f64 = 0.1;

/// The frames of `image` cannot change threads, so the decoder stays on one of its own, two frames ahead at most.
struct Animation {
    frames: Receiver<Result<Timed<RgbImage>, SourceError>>,
}

impl Pictures for Animation {
    type Picture = RgbImage;
    fn next_picture(&mut self) -> Option<Result<Timed<RgbImage>, SourceError>> {
        self.frames.recv().ok()
    }
}

/// # Errors
/// The file is no readable GIF.
pub(super) fn open_gif(path: &Path, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let decoder = GifDecoder::new(reader(path)?).map_err(|error| corrupt(path, &error))?;
    Ok(animation(path, "animated GIF", decoder, options))
}

/// # Errors
/// The file is no readable WebP.
pub(super) fn open_webp(path: &Path, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let decoder = WebPDecoder::new(reader(path)?).map_err(|error| corrupt(path, &error))?;
    if !decoder.has_animation() {
        return Ok(Box::new(ImageFiles::single(path, options)));
    }
    Ok(animation(path, "animated WebP", decoder, options))
}

fn animation<D>(path: &Path, what: &str, decoder: D, options: SourceOptions) -> Box<dyn FrameSource>
where
    D: AnimationDecoder<'static> + Send + 'static,
{
    let description = format!("{} ({what})", path.display());
    let (sender, frames) = sync_channel(1);
    let path = path.to_owned();
    std::thread::spawn(move || decode(decoder, &path, &sender));
    Box::new(Sampled::new(Animation { frames }, options, None, description))
}

/// Ends when the animation does, at the first damaged frame, or when nobody listens any more.
fn decode<D>(decoder: D, path: &Path, sender: &SyncSender<Result<Timed<RgbImage>, SourceError>>)
where
    D: AnimationDecoder<'static>,
{
    let mut time = 0.0;
    for frame in decoder.into_frames() {
        let item = frame.map_err(|error| corrupt(path, &error)).map(|frame| {
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            let delay = f64::from(numerator) / f64::from(denominator.max(1)) / 1000.0;
            let duration = if delay > 0.0 { delay } else { DEFAULT_DELAY };
            let picture = DynamicImage::ImageRgba8(frame.into_buffer()).to_rgb8();
            Timed { time, duration, picture }
        });
        let damaged = item.is_err();
        time += item.as_ref().map_or(0.0, |frame| frame.duration);
        if sender.send(item).is_err() || damaged {
            return;
        }
    }
}

fn reader(path: &Path) -> Result<BufReader<File>, SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    File::open(path).map(BufReader::new).map_err(unreadable)
}

fn corrupt(path: &Path, error: &ImageError) -> SourceError {
    SourceError::CorruptImage { path: path.to_owned(), message: error.to_string() }
}
