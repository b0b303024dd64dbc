//! Rotary position embedding (Su et al. 2021, RoFormer), and rotating keys from one position to
//! another.

use candle_core::{Device, Tensor};

use crate::error::{ModelError, Result};
use crate::lend::with_floats;
use crate::placement::Compute;

/// Cosines and sines of every position, `[max positions, head_dim / 2]`.
pub(crate) struct Rotary {
    /// In f32, for moving keys: keys are rotated again at every eviction, and errors would add up.
    cos: Tensor,
    sin: Tensor,
    /// In the type of the computation, for new tokens.
    cos_applied: Tensor,
    sin_applied: Tensor,
    max_positions: usize,
}

/// The rotation that moves tokens from one position each to another.
pub(crate) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// Angles are computed in f32, as in `transformers`.
    pub(crate) fn new(head_dim: usize, theta: f64, max_positions: usize, compute: &Compute) -> Result<Self> {
        let half = head_dim / 2;
        let frequency = |index: usize| 1.0 / (theta as f32).powf((2 * index) as f32 / head_dim as f32);
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let angles: Vec<f32> = (0..max_positions)
            .flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency))
            .collect();
        // Computed on the CPU, since a GPU's cosines are less exact.
        let angles = Tensor::from_vec(angles, (max_positions, half), &Device::Cpu)?;
        let cos = angles.cos()?.to_device(&compute.device)?;
        let sin = angles.sin()?.to_device(&compute.device)?;
        let (cos_applied, sin_applied) = (cos.to_dtype(compute.dtype)?, sin.to_dtype(compute.dtype)?);
        Ok(Self { cos, sin, cos_applied, sin_applied, max_positions })
    }

    pub(crate) fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Fails if one of the positions `start..start + tokens` exceeds the maximum.
    pub(crate) fn check(&self, start: usize, tokens: usize) -> Result<()> {
        match start + tokens > self.max_positions {
            true => Err(ModelError::Position { position: start + tokens - 1, max: self.max_positions - 1 }),
            false => Ok(()),
        }
    }

    /// Cosines and sines in f32, each `[max positions, head_dim / 2]`.
    pub(crate) fn tables(&self) -> (&Tensor, &Tensor) {
        (&self.cos, &self.sin)
    }

    /// Calls `read` with cosines and sines, each `[max positions, head_dim / 2]`.
    pub(crate) fn with_tables<T>(&self, read: impl FnOnce(&[f32], &[f32]) -> Result<T>) -> Result<T> {
        with_floats(&self.cos, |cos| with_floats(&self.sin, |sin| read(cos, sin)))
    }

    /// Rotates `[1, heads, tokens, head_dim]`, contiguous, to the positions from `start` on, which must
    /// have been checked.
    pub(crate) fn apply(&self, x: &Tensor, start: usize) -> Result<Tensor> {
        let tokens = x.dim(2)?;
        let rows = |table: &Tensor| table.narrow(0, start, tokens);
        Ok(candle_nn::rotary_emb::rope(x, &rows(&self.cos_applied)?, &rows(&self.sin_applied)?)?)
    }

    /// The rotation of tokens from the positions `old` to the positions `new`. The difference of the
    /// angles is computed from the tables, so that the error does not grow with the distance.
    pub(crate) fn turn(&self, old: &[u32], new: &[u32]) -> Result<Rotation> {
        let rows = |positions: &[u32]| -> Result<(Tensor, Tensor)> {
            let ids = Tensor::new(positions, self.cos.device())?;
            Ok((self.cos.index_select(&ids, 0)?, self.sin.index_select(&ids, 0)?))
        };
        let ((cos_old, sin_old), (cos_new, sin_new)) = (rows(old)?, rows(new)?);
        let cos = ((&cos_new * &cos_old)? + (&sin_new * &sin_old)?)?;
        let sin = ((&sin_new * &cos_old)? - (&cos_new * &sin_old)?)?;
        Ok(Rotation { cos, sin })
    }
}

impl Rotation {
    /// Rotates keys, `[1, heads, tokens, head_dim]` in f32.
    pub(crate) fn apply(&self, keys: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::rotary_emb::rope(keys, &self.cos, &self.sin)?)
    }
}
