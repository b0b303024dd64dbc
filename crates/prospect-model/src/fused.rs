//! Attention over tensors, by the kernels of [`crate::attention`].

use std::cell::RefCell;

use candle_core::{CpuStorage, Storage, Tensor};

use crate::attention::{Heads, Inputs, Mask, Scratch, attend};
use crate::error::{ModelError, Result};

thread_local! {
    /// Reused by every layer and token.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Attention of a chunk behind a cache: queries `[1, heads, tokens, head_dim]`, keys and values `[1, kv_heads, total, head_dim]`
/// as the cache lends them, the chunk's own at the end. Returns `[tokens, heads * head_dim]`.
pub(crate) fn causal(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (_, _, tokens, _) = queries.dims4()?;
    let cached = keys.dim(2)? - tokens;
    let (queries, keys, values) = (queries.squeeze(0)?, keys.squeeze(0)?, values.squeeze(0)?);
    mixed(&queries, &keys, &values, Mask::Causal { cached })
}

/// Attention of all patches of one tile to all: `[patches, heads * head_dim]` each, as the projections leave them. Returns the
/// same.
pub(crate) fn full(queries: &Tensor, keys: &Tensor, values: &Tensor, heads: usize) -> Result<Tensor> {
    let by_head = |x: &Tensor| -> Result<Tensor> {
        let (patches, width) = x.dims2()?;
        Ok(x.reshape((patches, heads, width / heads))?.transpose(0, 1)?)
    };
    mixed(&by_head(queries)?, &by_head(keys)?, &by_head(values)?, Mask::None)
}

/// `[heads, tokens, head_dim]` of any strides, the features of a row side by side.
fn mixed(queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Mask) -> Result<Tensor> {
    let (heads, tokens, head_dim) = queries.dims3()?;
    let mut output = vec![0.0f32; tokens * heads * head_dim];
    let tensors = [queries, keys, values];
    let storages = tensors.map(Tensor::storage_and_layout);
    let views = storages.iter().map(|(storage, layout)| {
        let Storage::Cpu(CpuStorage::F32(data)) = &**storage else {
            return Err(candle_core::Error::msg("attention is computed in f32 on the CPU").into());
        };
        let (shape, strides) = (layout.dims(), layout.stride());
        let data = &data[layout.start_offset()..];
        Ok(Heads::strided(data, [shape[0], shape[1], shape[2]], [strides[0], strides[1]])?)
    });
    let views = views.collect::<Result<Vec<Heads<'_>>>>()?;
    let inputs = Inputs { queries: views[0], keys: views[1], values: views[2], mask };
    SCRATCH.with_borrow_mut(|scratch| attend(scratch, &inputs, &mut output)).map_err(ModelError::from)?;
    Ok(Tensor::from_vec(output, (tokens, heads * head_dim), queries.device())?)
}
