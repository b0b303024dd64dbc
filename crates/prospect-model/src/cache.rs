//! The KV cache of a stream: one allocation for the keys and one for the values of each layer, filled
//! in place.

mod rows;
mod suspended;

pub use suspended::SuspendedSlots;

use std::ops::Range;

use candle_core::{CpuStorage, DType, Device, Shape, Storage, Tensor};
use half::bf16;
use prospect_context::PositionPolicy;

use crate::error::{ModelError, Result};
use crate::fused::Decoding;
use crate::linear::ask_for_large_pages;
use crate::placement::Compute;
use crate::rotary::Rotary;
use crate::text_config::TextConfig;
use rows::{floats_to_rows, rows_to_floats};

/// Keys and values of one layer, each `[1, kv_heads, capacity, row]`. A row is `head_dim` floats, or
/// `head_dim` int8 values and the bytes of their scale.
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

/// A KV cache with a fixed capacity. Appending tokens moves nothing that is already in it.
pub struct KvCache {
    layers: Vec<LayerCache>,
    /// Position of each cached token, by slot.
    positions: Vec<u32>,
    next_position: usize,
    capacity: usize,
    policy: PositionPolicy,
    /// Input embeddings by slot, `[capacity, hidden]`; only for [`PositionPolicy::Recompute`].
    embeddings: Option<Tensor>,
    /// State of the passes for this stream, such as a CUDA graph. The cache only stores it.
    pub(crate) decoding: Option<Decoding>,
}

/// Kept slots, copied out while the cache is rebuilt.
pub(crate) struct SetAside {
    layers: Vec<(Tensor, Tensor)>,
    positions: Vec<u32>,
    pub(crate) embeddings: Option<Tensor>,
}

impl SetAside {
    /// Number of tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn first_position(&self) -> Option<u32> {
        self.positions.first().copied()
    }

    pub(crate) fn last_position(&self) -> Option<u32> {
        self.positions.last().copied()
    }
}

/// The end of a cache, copied out of it.
pub struct CacheTail {
    /// `None` if the tail is empty.
    slots: Option<SetAside>,
    next_position: usize,
}

impl CacheTail {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.positions.len())
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_none()
    }
}

impl KvCache {
    pub(crate) fn new(
        config: &TextConfig,
        capacity: usize,
        policy: PositionPolicy,
        compute: &Compute,
        decoding: Option<Decoding>,
    ) -> Result<Self> {
        let shape = (1, config.kv_heads(), capacity, compute.cache_row(config.head_dim()));
        let side = || reserved(shape, compute.cache_dtype(), compute);
        let layers = (0..config.num_hidden_layers)
            .map(|_| Ok(LayerCache { keys: side()?, values: side()? }))
            .collect::<Result<_>>()?;
        let embeddings = match policy {
            PositionPolicy::Recompute => {
                Some(reserved((capacity, config.hidden_size), compute.dtype, compute)?)
            }
            _ => None,
        };
        let positions = Vec::with_capacity(capacity);
        Ok(Self { layers, positions, next_position: 0, capacity, policy, embeddings, decoding })
    }

    /// Number of tokens in the cache.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Most tokens that the cache can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of tokens that still fit.
    pub fn room(&self) -> usize {
        self.capacity - self.len()
    }

    /// The position of the next token.
    pub fn next_position(&self) -> usize {
        self.next_position
    }

    /// The position of each cached token, by slot.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// How positions change at an eviction.
    pub fn policy(&self) -> PositionPolicy {
        self.policy
    }

    /// Cuts the cache back to its first `tokens` tokens, as if the others had never been appended.
    pub fn truncate(&mut self, tokens: usize) {
        if let Some(&position) = self.positions.get(tokens) {
            self.next_position = position as usize;
            self.positions.truncate(tokens);
        }
    }

    /// Cuts the cache back to its first `tokens` tokens and returns a copy of the rest. Other tokens
    /// can then follow the first ones for a while, until [`Self::put_tail`].
    ///
    /// # Errors
    /// [`ModelError::KeepRange`] if the cache has fewer tokens; the cache is then unchanged.
    pub fn take_tail(&mut self, tokens: usize) -> Result<CacheTail> {
        let next_position = self.next_position;
        let slots = match tokens == self.len() {
            true => None,
            false => Some(self.copy_out(&(tokens..self.len().max(tokens)), true)?),
        };
        self.truncate(tokens);
        Ok(CacheTail { slots, next_position })
    }

    /// Puts a tail back behind the tokens that preceded it.
    ///
    /// # Errors
    /// [`ModelError::CacheFull`].
    pub fn put_tail(&mut self, tail: &CacheTail) -> Result<()> {
        if let Some(slots) = &tail.slots {
            let start = self.len();
            self.put_back(slots, None)?;
            if let (Some(all), Some(embeddings)) = (&self.embeddings, &slots.embeddings) {
                all.slice_set(embeddings, 0, start)?;
            }
        }
        self.next_position = tail.next_position;
        Ok(())
    }

    /// Fails unless `incoming` more tokens fit. The cache is unchanged.
    pub(crate) fn check_room(&self, incoming: usize) -> Result<()> {
        let cached = self.len();
        if cached + incoming > self.capacity {
            return Err(ModelError::CacheFull { incoming, cached, capacity: self.capacity });
        }
        Ok(())
    }

    /// Keys and values of one layer, `[1, kv_heads, capacity, row]` each. Rows written behind the
    /// cached tokens become part of the cache with [`Self::commit`], which is called after the last
    /// layer.
    pub(crate) fn sides(&self, layer: usize) -> (&Tensor, &Tensor) {
        let LayerCache { keys, values } = &self.layers[layer];
        (keys, values)
    }

    /// Keys and values of every layer.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.layers.iter().flat_map(|layer| [&layer.keys, &layer.values])
    }

    /// Input embeddings by slot, `[capacity, hidden]`, if the policy recomputes tokens. The code that
    /// appends a token must write its embedding here.
    pub(crate) fn embeddings(&self) -> Option<&Tensor> {
        self.embeddings.as_ref()
    }

    /// Adds the tokens that were written to every layer.
    pub(crate) fn commit(&mut self, tokens: usize) {
        self.positions
            .extend((self.next_position..self.next_position + tokens).map(|position| position as u32));
        self.next_position += tokens;
    }

    /// Copies `range` out of the cache: keys and values, or, if the policy recomputes tokens, their
    /// input embeddings.
    pub(crate) fn set_aside(&self, range: &Range<usize>) -> Result<SetAside> {
        self.copy_out(range, self.policy != PositionPolicy::Recompute)
    }

    fn copy_out(&self, range: &Range<usize>, keys_and_values: bool) -> Result<SetAside> {
        let out_of_bounds =
            || ModelError::KeepRange { start: range.start, end: range.end, cached: self.len() };
        let positions = self.positions.get(range.clone()).filter(|positions| !positions.is_empty());
        let positions = positions.ok_or_else(out_of_bounds)?;
        let take = |side: &Tensor| side.narrow(2, range.start, range.len())?.force_contiguous();
        let copied = self.layers.iter().filter(|_| keys_and_values);
        let layers =
            copied.map(|layer| Ok((take(&layer.keys)?, take(&layer.values)?))).collect::<Result<_>>()?;
        let embeddings = self
            .embeddings
            .as_ref()
            .map(|all| all.narrow(0, range.start, range.len())?.force_contiguous())
            .transpose()?;
        Ok(SetAside { layers, positions: positions.to_vec(), embeddings })
    }

    /// Appends kept slots again. `rotary` rotates their keys to the next contiguous positions; without
    /// it they keep their positions.
    pub(crate) fn put_back(&mut self, kept: &SetAside, rotary: Option<&Rotary>) -> Result<()> {
        let start = self.len();
        self.check_room(kept.positions.len())?;
        let next = self.next_position as u32;
        let positions: Vec<u32> = match rotary {
            Some(_) => (next..next + kept.positions.len() as u32).collect(),
            None => kept.positions.clone(),
        };
        let moved = rotary.filter(|_| positions != kept.positions);
        let turn = moved.map(|rotary| rotary.turn(&kept.positions, &positions)).transpose()?;
        for (layer, (keys, values)) in self.layers.iter().zip(&kept.layers) {
            match &turn {
                Some(turn) => {
                    // Keys are rotated in f32, whatever their type in the cache.
                    let turned = turn.apply(&rows_to_floats(keys)?)?;
                    layer.keys.slice_set(&floats_to_rows(&turned, keys.dtype())?, 2, start)?;
                }
                None => layer.keys.slice_set(keys, 2, start)?,
            }
            layer.values.slice_set(values, 2, start)?;
        }
        self.positions.extend(&positions);
        self.next_position = positions.last().map_or(self.next_position, |&last| last as usize + 1);
        Ok(())
    }

    /// Empties the cache.
    pub(crate) fn clear(&mut self) {
        self.positions.clear();
        self.next_position = 0;
    }

    /// Sets the position of the next token.
    pub(crate) fn continue_at(&mut self, position: usize) {
        self.next_position = position;
    }

    /// Rotated keys of one layer, `[kv_heads, tokens, head_dim]`, row-major.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn keys(&self, layer: usize) -> Result<Vec<f32>> {
        self.read(&self.layers[layer].keys)
    }

    /// Values of one layer, `[kv_heads, tokens, head_dim]`, row-major.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn values(&self, layer: usize) -> Result<Vec<f32>> {
        self.read(&self.layers[layer].values)
    }

    fn read(&self, side: &Tensor) -> Result<Vec<f32>> {
        Ok(rows_to_floats(&side.narrow(2, 0, self.len())?)?.flatten_all()?.to_vec1()?)
    }

    /// Memory addresses of the keys and values of every layer. They do not change as long as the cache
    /// lives.
    pub fn buffer_addresses(&self) -> Result<Vec<usize>> {
        self.tensors().map(buffer_address).collect()
    }
}

fn buffer_address(buffer: &Tensor) -> Result<usize> {
    let (storage, layout) = buffer.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(data)) => Ok(data[layout.start_offset()..].as_ptr().addr()),
        Storage::Cpu(CpuStorage::BF16(data)) => Ok(data[layout.start_offset()..].as_ptr().addr()),
        Storage::Cpu(CpuStorage::U8(data)) => Ok(data[layout.start_offset()..].as_ptr().addr()),
        _ => Err(candle_core::Error::msg("the address of a buffer is known on the CPU only").into()),
    }
}

/// Allocates a buffer at once instead of page by page while the stream fills it, so that a run cannot
/// fail later. The values are NaN, so that reading a slot before it is written shows in the results.
fn reserved(shape: impl Into<Shape>, dtype: DType, compute: &Compute) -> Result<Tensor> {
    let shape = shape.into();
    let count = shape.elem_count();
    Ok(match (&compute.device, dtype) {
        (Device::Cpu, DType::F32) => Tensor::from_vec(filled(count, f32::NAN), shape, &Device::Cpu)?,
        (Device::Cpu, DType::BF16) => Tensor::from_vec(filled(count, bf16::NAN), shape, &Device::Cpu)?,
        // All bytes are 0xFF, which makes the scale NaN.
        (Device::Cpu, DType::U8) => Tensor::from_vec(filled(count, u8::MAX), shape, &Device::Cpu)?,
        (device, _) => Tensor::full(f32::NAN, shape, device)?.to_dtype(dtype)?,
    })
}

/// Uses large pages if the system has them, because decoding a token reads the whole cache.
fn filled<T: Clone>(count: usize, value: T) -> Vec<T> {
    let mut values = Vec::with_capacity(count);
    ask_for_large_pages(&mut values);
    values.resize(count, value);
    values
}
