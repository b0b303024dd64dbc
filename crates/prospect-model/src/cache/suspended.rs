//! Writes a cache to a file and reads it back.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{CacheTail, KvCache, LayerCache, SetAside};
use crate::stored::{StoredError, StoredTensor, StoredTensors};

/// The state of a cache, or of a tail, that is not stored in tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendedSlots {
    next_position: u32,
}

/// Index of the token dimension in keys and values, `[1, kv_heads, tokens, row]`, and in embeddings,
/// `[tokens, hidden]`.
const SEQUENCE: usize = 2;
const SEQUENCE_OF_EMBEDDINGS: usize = 0;

impl KvCache {
    /// Adds the filled part of the cache to `tensors`, under names that begin with `prefix`: the
    /// positions, the keys and values of every layer, and the input embeddings if the policy recomputes
    /// tokens.
    ///
    /// # Errors
    /// [`StoredError::Tensor`].
    pub fn suspend<'a>(
        &'a self,
        prefix: &str,
        tensors: &mut Vec<StoredTensor<'a>>,
    ) -> Result<SuspendedSlots, StoredError> {
        let Self { layers, positions, next_position, capacity: _, policy: _, embeddings, decoding: _ } = self;
        let sides = layers.iter().map(|LayerCache { keys, values }| (keys, values));
        put_slots(prefix, positions, sides, embeddings.as_ref(), tensors)?;
        Ok(SuspendedSlots { next_position: *next_position as u32 })
    }

    /// Fills the cache with what [`Self::suspend`] wrote.
    ///
    /// # Errors
    /// [`StoredError`] if the file does not fit this model. The cache is then empty.
    pub fn resume(
        &mut self,
        prefix: &str,
        slots: SuspendedSlots,
        stored: &StoredTensors,
    ) -> Result<(), StoredError> {
        self.clear();
        let taken = self.take_slots(prefix, stored)?;
        for (layer, (keys, values)) in self.layers.iter().zip(&taken.layers) {
            layer.keys.slice_set(keys, SEQUENCE, 0)?;
            layer.values.slice_set(values, SEQUENCE, 0)?;
        }
        if let (Some(all), Some(embeddings)) = (&self.embeddings, &taken.embeddings) {
            all.slice_set(embeddings, SEQUENCE_OF_EMBEDDINGS, 0)?;
        }
        self.positions.extend(&taken.positions);
        self.next_position = slots.next_position as usize;
        Ok(())
    }

    /// Reads a tail of this cache from a file.
    ///
    /// # Errors
    /// [`StoredError`] if the file does not fit this model.
    pub fn resume_tail(
        &self,
        prefix: &str,
        slots: SuspendedSlots,
        stored: &StoredTensors,
    ) -> Result<CacheTail, StoredError> {
        let taken = self.take_slots(prefix, stored)?;
        let slots_of_tail = (!taken.positions.is_empty()).then_some(taken);
        Ok(CacheTail { slots: slots_of_tail, next_position: slots.next_position as usize })
    }

    fn take_slots(&self, prefix: &str, stored: &StoredTensors) -> Result<SetAside, StoredError> {
        let positions = stored.ids(&format!("{prefix}.positions"))?;
        let (tokens, capacity) = (positions.len(), self.capacity);
        if tokens > capacity {
            return Err(StoredError::Tokens { tokens, capacity });
        }
        if tokens == 0 {
            return Ok(SetAside { layers: Vec::new(), positions, embeddings: None });
        }
        let take = |name: String, like: &Tensor, sequence: usize| {
            let mut shape = like.dims().to_vec();
            shape[sequence] = tokens;
            stored.tensor(&name, &shape, like.dtype(), like.device())
        };
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, LayerCache { keys, values }) in self.layers.iter().enumerate() {
            let [of_keys, of_values] = names(prefix, index);
            layers.push((take(of_keys, keys, SEQUENCE)?, take(of_values, values, SEQUENCE)?));
        }
        let embeddings = self.embeddings.as_ref();
        let embeddings =
            embeddings.map(|all| take(format!("{prefix}.embeddings"), all, SEQUENCE_OF_EMBEDDINGS));
        Ok(SetAside { layers, positions, embeddings: embeddings.transpose()? })
    }
}

impl CacheTail {
    /// As [`KvCache::suspend`].
    ///
    /// # Errors
    /// [`StoredError::Tensor`].
    pub fn suspend<'a>(
        &'a self,
        prefix: &str,
        tensors: &mut Vec<StoredTensor<'a>>,
    ) -> Result<SuspendedSlots, StoredError> {
        let Self { slots, next_position } = self;
        match slots {
            Some(SetAside { layers, positions, embeddings }) => {
                let sides = layers.iter().map(|(keys, values)| (keys, values));
                put_slots(prefix, positions, sides, embeddings.as_ref(), tensors)?;
            }
            None => tensors.push(StoredTensor::ids(format!("{prefix}.positions"), &[])),
        }
        Ok(SuspendedSlots { next_position: *next_position as u32 })
    }
}

fn put_slots<'a>(
    prefix: &str,
    positions: &'a [u32],
    layers: impl Iterator<Item = (&'a Tensor, &'a Tensor)>,
    embeddings: Option<&'a Tensor>,
    tensors: &mut Vec<StoredTensor<'a>>,
) -> Result<(), StoredError> {
    let tokens = positions.len();
    tensors.push(StoredTensor::ids(format!("{prefix}.positions"), positions));
    if tokens == 0 {
        return Ok(());
    }
    for (index, (keys, values)) in layers.enumerate() {
        let [of_keys, of_values] = names(prefix, index);
        tensors.push(StoredTensor::floats(of_keys, keys, SEQUENCE, tokens)?);
        tensors.push(StoredTensor::floats(of_values, values, SEQUENCE, tokens)?);
    }
    if let Some(embeddings) = embeddings {
        let name = format!("{prefix}.embeddings");
        tensors.push(StoredTensor::floats(name, embeddings, SEQUENCE_OF_EMBEDDINGS, tokens)?);
    }
    Ok(())
}

fn names(prefix: &str, layer: usize) -> [String; 2] {
    ["keys", "values"].map(|side| format!("{prefix}.layers.{layer}.{side}"))
}
