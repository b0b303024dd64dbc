//! Encodes images in parallel with the stream: the next frame, while the model works on the present
//! one.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::embeddings::{EncodedImage, PixelValues};
use crate::error::{ModelError, Result};
use crate::smolvlm::SmolVlm;

/// The vision tower and connector of a model, with threads of their own, and on a GPU with a CUDA
/// stream of their own.
///
/// On a CPU, decoding a token never waits for the encoding of an image. On a GPU it waits only for
/// kernels that are already running. The results are bit-identical to [`SmolVlm::encode_image`] for any
/// number of threads.
pub struct ImageEncoder {
    model: Arc<SmolVlm>,
    pool: ThreadPool,
}

impl ImageEncoder {
    /// An encoder with `threads` threads; 0 means one per core.
    ///
    /// # Errors
    /// [`ModelError::Threads`].
    pub fn new(model: Arc<SmolVlm>, threads: usize) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| ModelError::Threads { message: error.to_string() })?;
        Ok(Self { model, pool })
    }

    /// As [`SmolVlm::encode_image`]; [`SmolVlm::take_image`] turns the result into embeddings.
    ///
    /// # Errors
    /// As [`SmolVlm::encode_image`].
    pub fn encode(&self, pixels: PixelValues<'_>) -> Result<EncodedImage> {
        self.pool.install(|| self.model.encode_beside(pixels))
    }
}
