//! Inputs of the model and outputs of its vision tower: pixels, image embeddings and chunk embeddings.

use std::fmt;

use candle_core::{DType, Tensor};

use crate::error::Result;
use crate::lend::to_floats;
use crate::placement::Handover;
use crate::stored::{StoredError, StoredTensor};

/// Embeddings of image tokens, `[image tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct ImageEmbeddings(pub(crate) Tensor);

impl ImageEmbeddings {
    /// Number of image tokens.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    /// Cosine similarity with the embeddings of another frame, over all values of all tokens. 0 if one
    /// of them is zero.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        let dot = |a: &Tensor, b: &Tensor| -> Result<f64> {
            let (a, b) = (a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
            Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?))
        };
        let norms = (dot(&self.0, &self.0)? * dot(&other.0, &other.0)?).sqrt();
        Ok(if norms > 0.0 { dot(&self.0, &other.0)? / norms } else { 0.0 })
    }

    /// The values, `[image tokens, hidden]`, row-major.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        to_floats(&self.0)
    }

    /// The embeddings in the form in which a file stores them.
    ///
    /// # Errors
    /// [`StoredError::Tensor`].
    pub fn suspend(&self, name: &str) -> std::result::Result<StoredTensor<'_>, StoredError> {
        StoredTensor::floats(name.to_owned(), &self.0, 0, self.tokens())
    }
}

/// An image encoded by an [`ImageEncoder`](crate::ImageEncoder), for
/// [`SmolVlm::take_image`](crate::SmolVlm::take_image).
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
    /// Number of tokens in the chunk.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        &self.0
    }
}

/// Normalized pixels, `[tiles, 3, height, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct PixelValues<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Number of frames or tiles.
    pub tiles: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}
