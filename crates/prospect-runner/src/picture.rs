//! What is done to a picture before its turn, on the thread that reads: everything that needs no cache.

use image::RgbImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 of a picture's size and pixels: what stands for a picture that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of `image`.
    pub fn of(image: &RgbImage) -> Self {
        let mut digest = Sha256::new();
        digest.update(image.width().to_le_bytes());
        digest.update(image.height().to_le_bytes());
        digest.update(image.as_raw());
        Self(digest.finalize().into())
    }
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
        Self { fingerprint: Fingerprint::of(image), prepared }
    }
}
