//! Rotary position embedding, and turning keys from one position to another.

use candle_core::{DType, Device, Tensor};

use crate::cpu::with_floats;
use crate::error::{ModelError, Result};

/// Cosine and sine of every position, `[max positions, head_dim / 2]`.
pub(crate) struct Rotary {
    cos: Tensor,
    sin: Tensor,
    max_positions: usize,
}

impl Rotary {
    /// The angles are products in f32, as in `transformers`.
    pub(crate) fn new(head_dim: usize, theta: f64, max_positions: usize, device: &Device) -> Result<Self> {
        let half = head_dim / 2;
        let frequency = |index: usize| 1.0 / (theta as f32).powf((2 * index) as f32 / head_dim as f32);
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let angles: Vec<f32> = (0..max_positions)
            .flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency))
            .collect();
        let angles = Tensor::from_vec(angles, (max_positions, half), device)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()?, max_positions })
    }

    pub(crate) fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// Fails if one of the positions `start..start + tokens` is beyond the last one.
    pub(crate) fn check(&self, start: usize, tokens: usize) -> Result<()> {
        match start + tokens > self.max_positions {
            true => Err(ModelError::Position { position: start + tokens - 1, max: self.max_positions - 1 }),
            false => Ok(()),
        }
    }

    /// Lends cosines and sines, `[max positions, head_dim / 2]` each.
    pub(crate) fn with_tables<T>(&self, read: impl FnOnce(&[f32], &[f32]) -> Result<T>) -> Result<T> {
        with_floats(&self.cos, |cos| with_floats(&self.sin, |sin| read(cos, sin)))
    }

    /// Turns keys `[1, heads, tokens, head_dim]` from the positions `old` to the positions `new`, one of each a token. The
    /// difference of two angles is taken from the tables, so that no error grows with the distance.
    pub(crate) fn turn(&self, keys: &Tensor, old: &[u32], new: &[u32]) -> Result<Tensor> {
        let rows = |positions: &[u32]| -> Result<(Tensor, Tensor)> {
            let ids = Tensor::new(positions, keys.device())?;
            Ok((self.cos.index_select(&ids, 0)?, self.sin.index_select(&ids, 0)?))
        };
        let ((cos_old, sin_old), (cos_new, sin_new)) = (rows(old)?, rows(new)?);
        let cos = ((&cos_new * &cos_old)? + (&sin_new * &sin_old)?)?;
        let sin = ((&sin_new * &cos_old)? - (&cos_new * &sin_old)?)?;
        let turned = candle_nn::rotary_emb::rope(&keys.to_dtype(DType::F32)?.contiguous()?, &cos, &sin)?;
        Ok(turned.to_dtype(keys.dtype())?)
    }
}
