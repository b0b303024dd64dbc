//! Animated GIF and WebP. The delays of the frames give the time stamps. Every frame is the whole canvas, on
//! white.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Delay, DynamicImage, ImageDecoder, ImageError, RgbImage, Rgba};

use super::images::ImageFiles;
use super::sample::{Pictures, Sampled, Timed};
use super::size::{MOST_PIXELS, check_size};
use super::{FrameSource, SourceError, SourceOptions, still};
use prospect_foreign::caught;

/// The longest delay that counts as not set. Browsers, and ffmpeg for GIF, replace such a delay by the usual
/// one.
const LONGEST_UNMEANT: Duration = Duration::from_millis(10);
const USUAL_DELAY: Duration = Duration::from_millis(100);
/// The bytes per pixel of the decoders' canvas.
const CANVAS_BYTES: u64 = 4;

/// An animation. The frames of `image` cannot be moved to another thread, so the decoder has a thread of its
/// own, which is at most two frames ahead.
struct Animation {
    frames: Receiver<Item>,
}

type Item = Result<Timed<Arc<RgbImage>>, SourceError>;

impl Pictures for Animation {
    type Picture = Arc<RgbImage>;
    fn next_picture(&mut self) -> Option<Item> {
        self.frames.recv().ok()
    }
}

/// # Errors
/// The file is not a readable GIF.
pub(super) fn open_gif(path: &Path, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let decoder = GifDecoder::new(reader(path)?).map_err(|error| corrupt(path, &error))?;
    animation(path, "animated GIF", decoder, options)
}

/// # Errors
/// The file is not a readable WebP.
pub(super) fn open_webp(path: &Path, options: SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let mut decoder = WebPDecoder::new(reader(path)?).map_err(|error| corrupt(path, &error))?;
    if !decoder.has_animation() {
        return Ok(Box::new(ImageFiles::single(path, options)));
    }
    // What is cleared is nothing, whatever the file would have it be: without a word of it the decoder clears nothing at all.
    decoder.set_background_color(Rgba([0; 4])).map_err(|error| corrupt(path, &error))?;
    animation(path, "animated WebP", decoder, options)
}

fn animation<D>(
    path: &Path,
    what: &str,
    mut decoder: D,
    options: SourceOptions,
) -> Result<Box<dyn FrameSource>, SourceError>
where
    D: AnimationDecoder<'static> + ImageDecoder + Send + 'static,
{
    let (width, height) = decoder.dimensions();
    check_size(width, height).map_err(|size| size.at(path))?;
    // A frame may be larger than the canvas: with it there are two canvases, before the frame and behind it.
    let canvas = CANVAS_BYTES * u64::from(width) * u64::from(height);
    let limits = still::allocations(2 * canvas + CANVAS_BYTES * MOST_PIXELS);
    decoder.set_limits(limits).map_err(|error| corrupt(path, &error))?;
    let description = format!("{} ({what})", path.display());
    let (sender, frames) = sync_channel(1);
    let owned = path.to_owned();
    std::thread::Builder::new()
        .name("animation".to_owned())
        .spawn(move || decode(decoder, &owned, &sender))
        .map_err(|source| SourceError::Unreadable { path: path.to_owned(), source })?;
    Ok(Box::new(Sampled::new(Animation { frames }, options, None, description)))
}

/// Decodes an animation. Ends at the end of the animation, at the first damaged frame, or when the receiver
/// is gone.
fn decode<D>(decoder: D, path: &Path, sender: &SyncSender<Item>)
where
    D: AnimationDecoder<'static>,
{
    let mut frames = decoder.into_frames();
    let mut time = Duration::ZERO;
    let fails = || {
        let message = "its decoder fails on it".to_owned();
        Some(Err(SourceError::CorruptImage { path: path.to_owned(), message }))
    };
    loop {
        let next = caught(|| frames.next().map(|frame| frame.map_err(|error| corrupt(path, &error))));
        let Some(frame) = next.unwrap_or_else(fails) else { return };
        let item = frame.map(|frame| {
            let duration = shown_for(frame.delay());
            let picture = Arc::new(still::on_white(DynamicImage::ImageRgba8(frame.into_buffer())));
            let timed = Timed { time: time.as_secs_f64(), duration: duration.as_secs_f64(), picture };
            time += duration;
            timed
        });
        let damaged = item.is_err();
        if sender.send(item).is_err() || damaged {
            return;
        }
    }
}

fn shown_for(delay: Delay) -> Duration {
    match Duration::from(delay) {
        delay if delay <= LONGEST_UNMEANT => USUAL_DELAY,
        delay => delay,
    }
}

fn reader(path: &Path) -> Result<BufReader<File>, SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    File::open(path).map(BufReader::new).map_err(unreadable)
}

fn corrupt(path: &Path, error: &ImageError) -> SourceError {
    SourceError::CorruptImage { path: path.to_owned(), message: error.to_string() }
}
