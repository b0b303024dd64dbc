//! The KV cache: one allocation a layer and side, filled in place.

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

/// Keys and values of one layer, each `[1, kv_heads, capacity, row]`: `head_dim` floats, or as many int8 and the bytes of their
/// scale.
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

/// An accumulating cache. It never holds more than its capacity, and nothing in it moves when tokens are appended.
pub struct KvCache {
    layers: Vec<LayerCache>,
    /// Position of each cached token, by slot.
    positions: Vec<u32>,
    next_position: usize,
    capacity: usize,
    policy: PositionPolicy,
    /// Input embeddings by slot, `[capacity, hidden]`; only for [`PositionPolicy::Recompute`].
    embeddings: Option<Tensor>,
    /// Whatever the passes keep beside the slots of a stream: the cache only carries it.
    pub(crate) decoding: Option<Decoding>,
}

/// Kept slots, set aside while the cache is rebuilt.
pub(crate) struct SetAside {
    layers: Vec<(Tensor, Tensor)>,
    positions: Vec<u32>,
    pub(crate) embeddings: Option<Tensor>,
}

impl SetAside {
    /// How many tokens they are.
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

/// What stood behind some slot of a cache, taken out of it.
pub struct CacheTail {
    /// `None` if nothing did.
    slots: Option<SetAside>,
    next_position: usize,
}

impl CacheTail {
    /// Tokens in it.
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

    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Most tokens it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many tokens more it can hold.
    pub fn room(&self) -> usize {
        self.capacity - self.len()
    }

    /// The position that the next token takes.
    pub fn next_position(&self) -> usize {
        self.next_position
    }

    /// The position of each cached token.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// What happens to positions at an eviction.
    pub fn policy(&self) -> PositionPolicy {
        self.policy
    }

    /// Cuts the cache back to its first `tokens` tokens, as if the rest had never gone in.
    pub fn truncate(&mut self, tokens: usize) {
        if let Some(&position) = self.positions.get(tokens) {
            self.next_position = position as usize;
            self.positions.truncate(tokens);
        }
    }

    /// Cuts the cache back to its first `tokens` tokens and returns what stood behind them, so that something else can go on
    /// from there for a while. Only the tail is copied.
    ///
    /// # Errors
    /// [`ModelError::KeepRange`] if the cache is shorter than that: nothing is changed then.
    pub fn take_tail(&mut self, tokens: usize) -> Result<CacheTail> {
        let next_position = self.next_position;
        let slots = match tokens == self.len() {
            true => None,
            false => Some(self.copy_out(&(tokens..self.len().max(tokens)), true)?),
        };
        self.truncate(tokens);
        Ok(CacheTail { slots, next_position })
    }

    /// Puts a tail back behind the tokens that it stood behind.
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

    /// Fails, with the cache as it was, unless `incoming` more tokens fit.
    pub(crate) fn check_room(&self, incoming: usize) -> Result<()> {
        let cached = self.len();
        if cached + incoming > self.capacity {
            return Err(ModelError::CacheFull { incoming, cached, capacity: self.capacity });
        }
        Ok(())
    }

    /// Keys and values of one layer, `[1, kv_heads, capacity, row]` each. What is written behind the cached tokens counts
    /// once [`Self::commit`] is called, after the last layer.
    pub(crate) fn sides(&self, layer: usize) -> (&Tensor, &Tensor) {
        let LayerCache { keys, values } = &self.layers[layer];
        (keys, values)
    }

    /// Keys and values of every layer.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.layers.iter().flat_map(|layer| [&layer.keys, &layer.values])
    }

    /// Input embeddings by slot, `[capacity, hidden]`, where they are kept to be computed again. Whoever puts a token in writes its own.
    pub(crate) fn embeddings(&self) -> Option<&Tensor> {
        self.embeddings.as_ref()
    }

    /// Counts the tokens that were written to every layer.
    pub(crate) fn commit(&mut self, tokens: usize) {
        self.positions
            .extend((self.next_position..self.next_position + tokens).map(|position| position as u32));
        self.next_position += tokens;
    }

    /// Copies `range` out of the cache: keys and values, or the embeddings that they are computed from again.
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

    /// Puts kept slots back behind what is there. `rotary` turns their keys to contiguous positions; without it they stay
    /// as they are.
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
                    // In f32, whatever they are kept in.
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

    /// Lets the next token take this position.
    pub(crate) fn continue_at(&mut self, position: usize) {
        self.next_position = position;
    }

    /// Keys of one layer by slot, as they are rotated, `[kv_heads, tokens, head_dim]`, row-major.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn keys(&self, layer: usize) -> Result<Vec<f32>> {
        self.read(&self.layers[layer].keys)
    }

    /// Values of one layer by slot, `[kv_heads, tokens, head_dim]`, row-major.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn values(&self, layer: usize) -> Result<Vec<f32>> {
        self.read(&self.layers[layer].values)
    }

    fn read(&self, side: &Tensor) -> Result<Vec<f32>> {
        Ok(rows_to_floats(&side.narrow(2, 0, self.len())?)?.flatten_all()?.to_vec1()?)
    }

    /// Where every buffer of the cache lies in memory: keys and values of each layer. They stay there for as long as the
    /// cache lives.
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

/// A buffer whose memory is taken now and not page by page as the stream fills it: a run that begins goes on. The values are
/// NaN, so that a slot that is read before it is written shows at once.
fn reserved(shape: impl Into<Shape>, dtype: DType, compute: &Compute) -> Result<Tensor> {
    let shape = shape.into();
    let count = shape.elem_count();
    Ok(match (&compute.device, dtype) {
        (Device::Cpu, DType::F32) => Tensor::from_vec(filled(count, f32::NAN), shape, &Device::Cpu)?,
        (Device::Cpu, DType::BF16) => Tensor::from_vec(filled(count, bf16::NAN), shape, &Device::Cpu)?,
        // The scale is NaN.
        (Device::Cpu, DType::U8) => Tensor::from_vec(filled(count, u8::MAX), shape, &Device::Cpu)?,
        (device, _) => Tensor::full(f32::NAN, shape, device)?.to_dtype(dtype)?,
    })
}

/// In large pages where there are some: a token reads all of the cache.
fn filled<T: Clone>(count: usize, value: T) -> Vec<T> {
    let mut values = Vec::with_capacity(count);
    ask_for_large_pages(&mut values);
    values.resize(count, value);
    values
}
