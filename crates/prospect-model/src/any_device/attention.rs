//! Attention over tensors: flash attention where it is built in and has a kernel for the shape, else product, softmax, product.

use candle_core::{D, DType, Tensor};

use crate::error::{ModelError, Result};
use crate::fused::Step;
use crate::placement::Compute;

/// Attention of the last tokens of a cache to all before them.
pub(super) struct Causal {
    fused: bool,
    /// What is added to scores, `[tokens, slots]`; a token alone sees everything.
    mask: Option<Tensor>,
    /// As many as are filled.
    slots: usize,
    /// As many as are filled for any token that the same launch is to serve.
    reach: Option<usize>,
}

impl Causal {
    /// For a chunk of `tokens` behind `cached` slots.
    pub(super) fn new(compute: &Compute, head_dim: usize, tokens: usize, cached: usize) -> Result<Self> {
        let fused = fuses_cache(compute, head_dim);
        let mask = (!fused && tokens > 1).then(|| mask(compute, tokens, cached)).transpose()?;
        Ok(Self { fused, mask, slots: cached + tokens, reach: None })
    }

    /// Fails unless [`Self::of_step`] has a kernel for heads of this size.
    pub(super) fn check_steps(compute: &Compute, head_dim: usize) -> Result<()> {
        if fuses_step(compute, head_dim) {
            return Ok(());
        }
        let expected = "flash attention over the cache: a build with it, and heads of 64";
        Err(ModelError::Unsupported { what: "a graph of a word", expected })
    }

    /// For one token behind `cached` slots, and for others by the same launch as far as `reach`, where there is a kernel for that.
    pub(super) fn of_step(compute: &Compute, head_dim: usize, cached: usize, reach: usize) -> Result<Self> {
        Ok(Self { reach: Some(reach), ..Self::new(compute, head_dim, 1, cached)? })
    }

    /// Queries `[1, heads, tokens, head_dim]`, keys and values `[1, kv_heads, capacity, head_dim]` with the tokens' own in their
    /// places. Returns `[tokens, heads * head_dim]`.
    pub(super) fn forward(
        &self,
        queries: &Tensor,
        (keys, values): (&Tensor, &Tensor),
        step: Option<&Step>,
    ) -> Result<Tensor> {
        let (_, heads, tokens, head_dim) = queries.dims4()?;
        if self.fused {
            let by_token = |side: &Tensor, slots| side.narrow(2, 0, slots)?.transpose(1, 2);
            let queries = queries.transpose(1, 2)?;
            let mixed = match (self.reach, step) {
                (Some(reach), Some(step)) => {
                    fused_over_step(&queries, &by_token(keys, reach)?, &by_token(values, reach)?, step)?
                }
                _ => {
                    fused_over_cache(&queries, &by_token(keys, self.slots)?, &by_token(values, self.slots)?)?
                }
            };
            return Ok(mixed.reshape((tokens, heads * head_dim))?);
        }
        let filled = |side: &Tensor| side.narrow(2, 0, self.slots)?.squeeze(0);
        let (keys, values) = (filled(keys)?, filled(values)?);
        let (kv_heads, slots, _) = keys.dims3()?;
        // The query heads of a key head are rows of one product, so that keys are never expanded.
        let queries = queries.reshape((kv_heads, heads / kv_heads * tokens, head_dim))?;
        let scores = scaled(&queries)?.matmul(&keys.t()?)?.reshape((heads, tokens, slots))?;
        let weights = softmax(&scores, self.mask.as_ref())?;
        let mixed = weights.reshape((kv_heads, (), slots))?.matmul(&values)?;
        let by_token = mixed.reshape((heads, tokens, head_dim))?.transpose(0, 1)?;
        Ok(by_token.reshape((tokens, heads * head_dim))?)
    }
}

/// Attention of all patches of a tile to all, `[tiles, patches, heads, head_dim]` each, the features of a row side by side.
/// Returns `[tiles * patches, heads * head_dim]`.
pub(super) fn full(compute: &Compute, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (tiles, patches, heads, head_dim) = queries.dims4()?;
    if fuses(compute, head_dim) {
        return Ok(fused(queries, keys, values)?.reshape((tiles * patches, heads * head_dim))?);
    }
    let by_head = |x: &Tensor| x.transpose(1, 2)?.contiguous();
    let scores = scaled(&by_head(queries)?)?.matmul(&by_head(keys)?.t()?)?;
    let mixed = softmax(&scores, None)?.matmul(&by_head(values)?)?;
    Ok(mixed.transpose(1, 2)?.reshape((tiles * patches, heads * head_dim))?)
}

/// Queries are scaled before the product, whose sums could be too large for f16.
fn scaled(queries: &Tensor) -> Result<Tensor> {
    let head_dim = queries.dim(D::Minus1)?;
    Ok((queries * (head_dim as f64).powf(-0.5))?)
}

/// In f32, as `transformers` does.
fn softmax(scores: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let mut wide = scores.to_dtype(DType::F32)?;
    if let Some(mask) = mask {
        wide = wide.broadcast_add(mask)?;
    }
    Ok(candle_nn::ops::softmax_last_dim(&wide)?.to_dtype(scores.dtype())?)
}

fn mask(compute: &Compute, tokens: usize, cached: usize) -> Result<Tensor> {
    let slots = cached + tokens;
    let hidden = |slot: usize, token: usize| if slot <= cached + token { 0.0 } else { f32::NEG_INFINITY };
    let values: Vec<f32> =
        (0..tokens).flat_map(|token| (0..slots).map(move |slot| hidden(slot, token))).collect();
    Ok(Tensor::from_vec(values, (tokens, slots), &compute.device)?)
}

#[cfg(feature = "flash-attn")]
mod flash {
    use candle_core::Tensor;

    use crate::error::Result;
    use crate::fused::Step;
    use crate::placement::{Compute, Kernels};

    fn wanted(compute: &Compute) -> bool {
        compute.device.is_cuda() && compute.placement.kernels != Kernels::Plain
    }

    pub(super) fn fuses(compute: &Compute, head_dim: usize) -> bool {
        wanted(compute) && prospect_cuda::supports(head_dim, compute.dtype)
    }

    pub(super) fn fuses_cache(compute: &Compute, head_dim: usize) -> bool {
        wanted(compute) && prospect_cuda::supports_cache(head_dim, compute.dtype)
    }

    pub(super) fn fuses_step(compute: &Compute, head_dim: usize) -> bool {
        wanted(compute) && prospect_cuda::supports_step(head_dim, compute.dtype)
    }

    pub(super) fn fused(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        Ok(prospect_cuda::attend(queries, keys, values)?)
    }

    pub(super) fn fused_over_cache(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        Ok(prospect_cuda::attend_cache(queries, keys, values)?)
    }

    pub(super) fn fused_over_step(
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        step: &Step,
    ) -> Result<Tensor> {
        Ok(prospect_cuda::attend_step(queries, keys, values, step)?)
    }
}

#[cfg(not(feature = "flash-attn"))]
mod flash {
    use candle_core::Tensor;

    use crate::error::Result;
    use crate::fused::Step;
    use crate::placement::Compute;

    pub(super) fn fuses(_: &Compute, _: usize) -> bool {
        false
    }

    pub(super) fn fuses_cache(_: &Compute, _: usize) -> bool {
        false
    }

    pub(super) fn fuses_step(_: &Compute, _: usize) -> bool {
        false
    }

    pub(super) fn fused(_: &Tensor, _: &Tensor, _: &Tensor) -> Result<Tensor> {
        Err(candle_core::Error::msg("this build has no flash attention").into())
    }

    pub(super) fn fused_over_cache(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        fused(queries, keys, values)
    }

    pub(super) fn fused_over_step(
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        _: &Step,
    ) -> Result<Tensor> {
        fused(queries, keys, values)
    }
}

use flash::{fused, fused_over_cache, fused_over_step, fuses, fuses_cache, fuses_step};
