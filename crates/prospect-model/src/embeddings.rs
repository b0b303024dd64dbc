//! What goes into the model and comes out of its vision tower: pixels, and embeddings of images and of chunks.

use std::fmt;

use candle_core::{DType, Tensor};

use crate::error::Result;
use crate::lend::to_floats;
use crate::placement::Handover;
use crate::stored::{StoredError, StoredTensor};

/// Embeddings that stand at image tokens, `[image tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct ImageEmbeddings(pub(crate) Tensor);

impl ImageEmbeddings {
    /// Image tokens they stand for.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    /// The cosine with the embeddings of another frame, token by token: what changes in one part of the picture is seen, though
    /// all the rest is the same. 0 where one of them is zero.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        let dot = |a: &Tensor, b: &Tensor| -> Result<f64> {
            let (a, b) = (a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
            Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?))
        };
        let norms = (dot(&self.0, &self.0)? * dot(&other.0, &other.0)?).sqrt();
        Ok(if norms > 0.0 { dot(&self.0, &other.0)? / norms } else { 0.0 })
    }

    /// The values, `[image tokens, hidden]`, row-major: to keep them, or to compare them with another implementation.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        to_floats(&self.0)
    }

    /// The embeddings as a tensor of a file.
    ///
    /// # Errors
    /// [`StoredError::Tensor`].
    pub fn suspend(&self, name: &str) -> std::result::Result<StoredTensor<'_>, StoredError> {
        StoredTensor::floats(name.to_owned(), &self.0, 0, self.tokens())
    }
}

/// An image that was encoded beside the stream: [`SmolVlm::take_image`](crate::SmolVlm::take_image).
#[derive(Clone)]
pub struct EncodedImage(pub(crate) Handover);

impl fmt::Debug for EncodedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodedImage")
    }
}

/// Input embeddings of a chunk, `[tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct Embeddings(pub(crate) Tensor);

impl Embeddings {
    /// Tokens in the chunk.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        &self.0
    }
}

/// Normalised pixels, `[tiles, 3, height, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct PixelValues<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Frames or tiles.
    pub tiles: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}
