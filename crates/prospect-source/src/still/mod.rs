//! The conversion of an encoded picture to pixels, for files, pipes and tables. The size is checked before
//! the picture is decoded. The result is upright, on white, with 8 bits per channel.

mod orientation;
mod rgb;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use super::SourceError;
use super::size::{MOST_PIXELS, TooLarge, check_size};
use prospect_foreign::caught;

pub(super) use rgb::on_white;

/// The most bytes of a file's metadata.
const MOST_METADATA: u64 = 64 << 20;
/// The bytes per pixel of a decoder's own buffers.
const DECODER_BYTES: u64 = 4;

/// The reason why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// The file or stream cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The picture does not decode.
    #[error("{0}")]
    Corrupt(String),
    /// The picture has more pixels than [`MOST_PIXELS`](crate::MOST_PIXELS).
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// The picture has no pixel.
    #[error("it is {width}x{height}")]
    ZeroSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl StillError {
    /// The error of a source for the picture at `path`.
    pub(super) fn at(self, path: &Path) -> SourceError {
        let path = path.to_owned();
        match self {
            Self::Unreadable(source) => SourceError::Unreadable { path, source },
            Self::Corrupt(message) => SourceError::CorruptImage { path, message },
            Self::TooLarge(source) => SourceError::TooLarge { path, source },
            Self::ZeroSize { width, height } => SourceError::ZeroSize { path, width, height },
        }
    }
}

impl From<ImageError> for StillError {
    fn from(error: ImageError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// The picture in a file; the first picture of an animation.
pub(crate) fn open(path: &Path) -> Result<RgbImage, SourceError> {
    let file = File::open(path).map_err(StillError::from);
    file.and_then(|file| guarded(BufReader::new(file))).map_err(|error| error.at(path))
}

/// Decodes a picture: upright, on white, with 8 bits per channel. Of an animation, it decodes the first
/// picture.
///
/// # Errors
/// [`StillError`]. No memory is allocated before the size is known.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, StillError> {
    guarded(Cursor::new(bytes))
}

fn guarded(bytes: impl BufRead + Seek) -> Result<RgbImage, StillError> {
    caught(|| read(bytes)).unwrap_or_else(|| Err(StillError::Corrupt("its decoder fails on it".to_owned())))
}

fn read(mut bytes: impl BufRead + Seek) -> Result<RgbImage, StillError> {
    let exif = orientation::exif(&mut bytes)?;
    bytes.rewind()?;
    let mut reader = ImageReader::new(bytes).with_guessed_format()?;
    reader.limits(allocations(MOST_METADATA));
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(StillError::ZeroSize { width, height });
    }
    check_size(width, height)?;
    decoder.set_limits(allocations(DECODER_BYTES * MOST_PIXELS))?;
    let orientation = orientation::of(exif, &mut decoder);
    let mut upright = DynamicImage::ImageRgb8(on_white(DynamicImage::from_decoder(decoder)?));
    upright.apply_orientation(orientation);
    Ok(upright.into_rgb8())
}

/// The limits on the bytes that a decoder may allocate.
pub(super) fn allocations(most: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most);
    limits
}
