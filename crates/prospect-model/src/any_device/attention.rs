//! Attention over tensors: flash attention if it is built in and has a kernel for the shape, otherwise
//! product, softmax, product.

use candle_core::{D, DType, Tensor};

use crate::error::{ModelError, Result};
use crate::fused::Step;
use crate::placement::Compute;

/// Causal attention of a chunk's tokens over the cache.
pub(super) struct Causal {
    fused: bool,
    /// Mask that is added to the scores, `[tokens, slots]`. A single token needs none, because it sees
    /// every slot.
    mask: Option<Tensor>,
    /// Number of filled slots, the chunk included.
    slots: usize,
    /// For a captured launch: the number of slots that later tokens may fill.
    reach: Option<usize>,
}

impl Causal {
    /// For a chunk of `tokens` tokens behind `cached` slots.
    pub(super) fn new(compute: &Compute, head_dim: usize, tokens: usize, cached: usize) -> Result<Self> {
        let fused = fuses_cache(compute, head_dim);
        let mask = (!fused && tokens > 1).then(|| mask(compute, tokens, cached)).transpose()?;
        Ok(Self { fused, mask, slots: cached + tokens, reach: None })
    }

    /// Fails unless there is a kernel for [`Self::of_step`] with heads of this size.
    pub(super) fn check_steps(compute: &Compute, head_dim: usize) -> Result<()> {
        if fuses_step(compute, head_dim) {
            return Ok(());
        }
        let expected = "flash attention over the cache: a build with it, and heads of 64";
        Err(ModelError::Unsupported { what: "a graph of a word", expected })
    }

    /// For one token behind `cached` slots. If there is a kernel for it, the same launch serves later
    /// tokens up to `reach` slots.
    pub(super) fn of_step(compute: &Compute, head_dim: usize, cached: usize, reach: usize) -> Result<Self> {
        Ok(Self { reach: Some(reach), ..Self::new(compute, head_dim, 1, cached)? })
    }

    /// Queries are `[1, heads, tokens, head_dim]`. Keys and values are
    /// `[1, kv_heads, capacity, head_dim]` and already contain the chunk's own tokens. Returns
    /// `[tokens, heads * head_dim]`.
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
        // The query heads that share a key head become rows of one product, so keys are never copied
        // per query head.
        let queries = queries.reshape((kv_heads, heads / kv_heads * tokens, head_dim))?;
        let scores = scaled(&queries)?.matmul(&keys.t()?)?.reshape((heads, tokens, slots))?;
        let weights = softmax(&scores, self.mask.as_ref())?;
        let mixed = weights.reshape((kv_heads, (), slots))?.matmul(&values)?;
        let by_token = mixed.reshape((heads, tokens, head_dim))?.transpose(0, 1)?;
        Ok(by_token.reshape((tokens, heads * head_dim))?)
    }
}

/// Full attention between the patches of each tile. Queries, keys and values are
/// `[tiles, patches, heads, head_dim]`, with contiguous features. Returns
/// `[tiles * patches, heads * head_dim]`.
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

/// Scales the queries before the product, because unscaled sums could overflow f16.
fn scaled(queries: &Tensor) -> Result<Tensor> {
    let head_dim = queries.dim(D::Minus1)?;
    Ok((queries * (head_dim as f64).powf(-0.5))?)
}

/// Softmax in f32, as in `transformers`.
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
