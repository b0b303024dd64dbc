//! Reads and writes keys and values in the memory of a cache on a CPU.

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};
use half::bf16;

use crate::attention::{Heads, int8};
use crate::cache::KvCache;
use crate::error::Result;

/// Keys and values of one layer, in place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sides<'a> {
    Floats([Heads<'a, f32>; 2]),
    Halves([Heads<'a, bf16>; 2]),
    /// Rows of int8, with their scales.
    Bytes([Heads<'a, u8>; 2]),
}

/// Calls `read` with the first `tokens` slots of keys and values, `[1, kv_heads, capacity, row]` each.
/// A row is `head_dim` floats, or `head_dim` int8 numbers and their scale.
pub(super) fn with_sides<T>(
    (keys, values): (&Tensor, &Tensor),
    tokens: usize,
    read: impl FnOnce(Sides<'_>) -> Result<T>,
) -> Result<T> {
    let (_, heads, capacity, row) = keys.dims4()?;
    let shape = [heads, capacity, row];
    let (keys, key_layout) = keys.storage_and_layout();
    let (values, value_layout) = values.storage_and_layout();
    let (keys_from, values_from) = (key_layout.start_offset(), value_layout.start_offset());
    match (&*keys, &*values) {
        (Storage::Cpu(CpuStorage::F32(keys)), Storage::Cpu(CpuStorage::F32(values))) => {
            let keys = Heads::by_head(&keys[keys_from..], shape, tokens)?;
            read(Sides::Floats([keys, Heads::by_head(&values[values_from..], shape, tokens)?]))
        }
        (Storage::Cpu(CpuStorage::BF16(keys)), Storage::Cpu(CpuStorage::BF16(values))) => {
            let keys = Heads::by_head(&keys[keys_from..], shape, tokens)?;
            read(Sides::Halves([keys, Heads::by_head(&values[values_from..], shape, tokens)?]))
        }
        (Storage::Cpu(CpuStorage::U8(keys)), Storage::Cpu(CpuStorage::U8(values))) if row > int8::SCALE => {
            let shape = [heads, capacity, row - int8::SCALE];
            let keys = Heads::by_head(&keys[keys_from..], shape, tokens)?;
            read(Sides::Bytes([keys, Heads::by_head(&values[values_from..], shape, tokens)?]))
        }
        _ => Err(candle_core::Error::msg("the cache is kept in f32, bf16 or int8 on the CPU").into()),
    }
}

/// Rows of keys or values that are to be written to one layer of the cache:
/// `[tokens, kv_heads * head_dim]`, `stride` floats apart.
pub(super) struct CacheRows<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    pub(super) tokens: usize,
    /// Slot of the first row.
    pub(super) slot: usize,
}

impl CacheRows<'_> {
    /// Writes the rows to one side of the cache, `[1, kv_heads, capacity, row]`, in place.
    pub(super) fn write_to(&self, side: &Tensor) -> Result<()> {
        Ok(side.inplace_op1(self)?)
    }

    /// `scale` is the number of elements of a cache row that hold its scale.
    fn copy<T>(
        &self,
        [heads, capacity, row]: [usize; 3],
        scale: usize,
        side: &mut [T],
        keep: impl Fn(&[f32], &mut [T]),
    ) {
        let head_dim = row - scale;
        for (token, features) in self.rows.chunks(self.stride).take(self.tokens).enumerate() {
            for (head, features) in features[..heads * head_dim].chunks_exact(head_dim).enumerate() {
                keep(features, &mut side[(head * capacity + self.slot + token) * row..][..row]);
            }
        }
    }
}

impl InplaceOp1 for CacheRows<'_> {
    fn name(&self) -> &'static str {
        "write into the cache"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (_, heads, capacity, row) = layout.shape().dims4()?;
        let (shape, start) = ([heads, capacity, row], layout.start_offset());
        match storage {
            CpuStorage::F32(side) => {
                self.copy(shape, 0, &mut side[start..], |features, slot| slot.copy_from_slice(features));
            }
            CpuStorage::BF16(side) => self.copy(shape, 0, &mut side[start..], |features, slot| {
                slot.iter_mut().zip(features).for_each(|(slot, feature)| *slot = bf16::from_f32(*feature));
            }),
            CpuStorage::U8(side) if row > int8::SCALE => {
                self.copy(shape, int8::SCALE, &mut side[start..], int8::quantise)
            }
            _ => return Err(candle_core::Error::msg("the cache is kept in f32, bf16 or int8")),
        }
        Ok(())
    }
}

/// Stores the input embeddings of the next tokens, `[tokens, hidden]`, if the cache keeps them.
pub(super) fn keep_embeddings(cache: &KvCache, embeddings: &[f32]) -> Result<()> {
    let Some(all) = cache.embeddings() else { return Ok(()) };
    let (capacity, hidden) = all.dims2()?;
    let tokens = embeddings.len() / hidden;
    let rows = CacheRows { rows: embeddings, stride: hidden, tokens, slot: cache.len() };
    rows.write_to(&all.reshape((1, 1, capacity, hidden))?)
}
