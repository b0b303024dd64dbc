//! What is done to a picture before its turn, on the thread that reads: everything that needs no cache.

use prospect_processor::RgbImage;
use prospect_session::Fingerprint;
use sha2::{Digest, Sha256};

/// SHA-256 of a picture's size and pixels: what stands for a picture that is not kept.
pub fn fingerprint_of(image: &RgbImage) -> Fingerprint {
    let mut digest = Sha256::new();
    digest.update(image.width().to_le_bytes());
    digest.update(image.height().to_le_bytes());
    digest.update(image.as_raw());
    Fingerprint(digest.finalize().into())
}

/// A picture on its way into a model, which takes up `prepared` when its turn comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<P> {
    /// By which it is known again.
    pub fingerprint: Fingerprint,
    /// What was done so far.
    pub prepared: P,
}

impl<P> Picture<P> {
    /// Of `image`, on which was done so much.
    pub fn new(image: &RgbImage, prepared: P) -> Self {
        Self { fingerprint: fingerprint_of(image), prepared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_in_another_shape_are_another_picture() {
        let grey = |width, height| RgbImage::from_pixel(width, height, [7; 3].into());
        assert_eq!(fingerprint_of(&grey(2, 3)), fingerprint_of(&grey(2, 3)));
        assert_ne!(fingerprint_of(&grey(2, 3)), fingerprint_of(&grey(3, 2)));
    }
}
