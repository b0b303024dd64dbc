//! The limit on the size of pictures of every format. A few bytes can declare any size, so the size is
//! checked before memory is allocated.

/// The most pixels of one picture. It is the limit of Pillow, and therefore of the reference; as RGB it takes
/// half a gigabyte. The frames of 8K video have a fifth of it.
pub const MOST_PIXELS: u64 = 178_956_970;

/// A picture has too many pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a picture of {width}x{height} pixels, expected at most {MOST_PIXELS} in all")]
pub struct TooLarge {
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
}

/// # Errors
/// A picture of this size has more pixels than [`MOST_PIXELS`].
pub(super) fn check_size(width: impl Into<u64>, height: impl Into<u64>) -> Result<(), TooLarge> {
    let (width, height) = (width.into(), height.into());
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MOST_PIXELS => Ok(()),
        _ => Err(TooLarge { width, height }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_picture_has_as_many_pixels_as_it_may_or_fewer() {
        assert_eq!(check_size(12_000_u32, 9_000_u32), Ok(()));
        assert_eq!(check_size(MOST_PIXELS, 1_u32), Ok(()));
        assert_eq!(check_size(0_u32, u64::MAX), Ok(()));
        let too_large = TooLarge { width: u64::MAX, height: u64::MAX };
        assert_eq!(check_size(u64::MAX, u64::MAX), Err(too_large));
        let error =
            check_size(65_535_u16, 65_535_u16).map_err(|size| size.at(Path::new("a.gif"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.gif: a picture of 65535x65535 pixels, expected at most 178956970 in all"
        );
    }
}
