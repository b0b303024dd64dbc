//! Images encoded beside the stream: the next frame, while the model is busy with this one.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::embeddings::{EncodedImage, PixelValues};
use crate::error::{ModelError, Result};
use crate::smolvlm::SmolVlm;

/// The vision tower and connector of a model, with threads of their own, and on a GPU in a stream of their own: a token that is being
/// decoded never waits for a piece of an image on a CPU, and on a GPU for no more than what is running. The bits are those of [`SmolVlm::encode_image`], whatever the number of threads.
pub struct ImageEncoder {
    model: Arc<SmolVlm>,
    pool: ThreadPool,
}

impl ImageEncoder {
    /// With so many threads, 0 for as many as there are cores.
    ///
    /// # Errors
    /// [`ModelError::Threads`].
    pub fn new(model: Arc<SmolVlm>, threads: usize) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| ModelError::Threads { message: error.to_string() })?;
        Ok(Self { model, pool })
    }

    /// As [`SmolVlm::encode_image`], for [`SmolVlm::take_image`].
    ///
    /// # Errors
    /// As [`SmolVlm::encode_image`].
    pub fn encode(&self, pixels: PixelValues<'_>) -> Result<EncodedImage> {
        self.pool.install(|| self.model.encode_beside(pixels))
    }
}
