//! Decodes pictures of requests, within limits.

use std::io::Cursor;

use image::{ImageReader, RgbImage};
use prospect_foreign::caught;
use prospect_source::decode_picture;

use crate::error::ApiError;

/// # Errors
/// The picture has more pixels than allowed, according to its header. Bytes that are not a picture pass
/// here.
pub(crate) fn check_size(bytes: &[u8], most_pixels: u64) -> Result<(), ApiError> {
    let size =
        caught(|| ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok());
    match size.flatten() {
        Some((width, height)) if u64::from(width) * u64::from(height) > most_pixels => {
            Err(ApiError::too_large(format!(
                "a picture of {width}x{height} pixels: expected at most {most_pixels} in all"
            )))
        }
        _ => Ok(()),
    }
}

/// Number of pixels of a picture.
pub(crate) fn pixels_of(picture: &RgbImage) -> u64 {
    u64::from(picture.width()) * u64::from(picture.height())
}

/// Decodes a picture after checking its size.
pub(crate) fn decoded(bytes: &[u8], most_pixels: u64) -> Result<RgbImage, ApiError> {
    check_size(bytes, most_pixels)?;
    decode_picture(bytes).map_err(|error| ApiError::bad_request(format!("not a readable picture: {error}")))
}
