//! Frames whose pixels are those of the frame before are not encoded again.

use image::RgbImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Session;
use crate::error::RunError;
use crate::stream_model::StreamModel;

/// SHA-256 of a picture's size and pixels: what stands for a picture that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(image: &RgbImage) -> Self {
        let mut digest = Sha256::new();
        digest.update(image.width().to_le_bytes());
        digest.update(image.height().to_le_bytes());
        digest.update(image.as_raw());
        Self(digest.finalize().into())
    }
}

/// The frame before.
pub(super) struct LastFrame<F> {
    pub(super) fingerprint: Fingerprint,
    pub(super) features: F,
}

impl<M: StreamModel> Session<'_, M> {
    /// An encoded frame, and whether its encoding is that of the frame before.
    pub(super) fn encode(
        &mut self,
        image: &RgbImage,
        fingerprint: Fingerprint,
    ) -> Result<(M::Features, bool), RunError> {
        match &self.last_frame {
            Some(last) if last.fingerprint == fingerprint => Ok((last.features.clone(), true)),
            _ => Ok((self.model.encode_image(image)?, false)),
        }
    }
}
