//! Frames whose pixels are those of the frame before are not encoded again.

use super::Session;
use crate::error::RunError;
use crate::picture::{Fingerprint, Picture};
use crate::stream_model::StreamModel;

/// The frame before.
pub(super) struct LastFrame<F> {
    pub(super) fingerprint: Fingerprint,
    pub(super) features: F,
}

impl<M: StreamModel> Session<'_, M> {
    /// An encoded frame, and whether its encoding is that of the frame before.
    pub(super) fn encode(&mut self, picture: Picture<M::Prepared>) -> Result<(M::Features, bool), RunError> {
        match &self.last_frame {
            Some(last) if last.fingerprint == picture.fingerprint => Ok((last.features.clone(), true)),
            _ => Ok((self.model.encode(picture.prepared)?, false)),
        }
    }
}
