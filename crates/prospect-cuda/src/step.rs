//! The place of the next token in the GPU's memory. Kernels read it there, so that the same launches
//! serve every token.

use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::CudaDType;
use candle_core::{CpuStorage, CudaStorage, DType, Device, InplaceOp1, Layout, Result, Tensor};

/// The place of a token in a stream: its id, its position and its cache slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Token id, for kernels that look up its embedding.
    pub id: u32,
    /// Position of the token, or of the first token of a chunk.
    pub position: usize,
    /// Cache slot of the token, or of the first token of a chunk.
    pub slot: usize,
}

/// Upper limits of a step's three numbers, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) id: usize,
    pub(crate) position: usize,
    pub(crate) slot: usize,
}

impl Bounds {
    pub(crate) const NONE: Self = Self { id: usize::MAX, position: usize::MAX, slot: usize::MAX };

    fn and(self, other: Self) -> Self {
        Self {
            id: self.id.min(other.id),
            position: self.position.min(other.position),
            slot: self.slot.min(other.slot),
        }
    }

    fn check(self, at: Place, tokens: usize) -> Result<()> {
        let behind = tokens.max(1) - 1;
        let below = |first: usize, bound: usize| first.saturating_add(behind) < bound;
        let id = (at.id as usize) < self.id;
        if !(id && below(at.position, self.position) && below(at.slot, self.slot)) {
            candle_core::bail!("{tokens} tokens from {at:?} on: expected all of them below {self:?}")
        }
        Ok(())
    }
}

/// The place of the next token, in device memory as `[id, position, slot, slot + 1]` in u32, with a
/// copy on the host.
#[derive(Debug)]
pub struct Step {
    numbers: Tensor,
    at: Place,
    /// The limits that kernels have required since [`Self::start`]. A graph that contains these kernels
    /// must keep them as well.
    bounds: Mutex<Bounds>,
}

impl Step {
    /// A step at the start of a stream: id, position and slot are 0.
    ///
    /// # Errors
    /// The driver fails.
    pub fn new(device: &Device) -> Result<Self> {
        let numbers = Tensor::zeros(4, DType::U32, device)?;
        Ok(Self { numbers, at: Place::default(), bounds: Mutex::new(Bounds::NONE) })
    }

    /// Sets the place of the next token, and forgets the limits of the previous place.
    ///
    /// # Errors
    /// A number does not fit u32, or the driver fails.
    pub fn start(&mut self, at: Place) -> Result<()> {
        let (Ok(position), Ok(slot), Ok(slots)) =
            (u32::try_from(at.position), u32::try_from(at.slot), u32::try_from(at.slot.saturating_add(1)))
        else {
            candle_core::bail!("{at:?}: expected less than 2^32 positions and slots")
        };
        self.numbers.inplace_op1(&Upload([at.id, position, slot, slots]))?;
        self.at = at;
        self.change_bounds(|_| Bounds::NONE);
        Ok(())
    }

    pub(crate) fn numbers(&self) -> &Tensor {
        &self.numbers
    }

    /// Device address of the number of slots, the step's own included.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn slots(&self) -> Result<*const u32> {
        let (storage, layout) = self.numbers.storage_and_layout();
        let numbers = crate::memory::Location::of(&storage, layout)?.address.cast_const().cast::<u32>();
        // This computes an address without reading memory.
        Ok(numbers.wrapping_add(3))
    }

    /// Fails unless all of `tokens` tokens from the step on lie below `bounds`. Remembers the bounds
    /// for a graph.
    pub(crate) fn stay_below(&self, bounds: Bounds, tokens: usize) -> Result<()> {
        bounds.check(self.at, tokens)?;
        self.change_bounds(|known| known.and(bounds));
        Ok(())
    }

    fn change_bounds(&self, change: impl FnOnce(Bounds) -> Bounds) -> Bounds {
        // A poisoned lock is harmless: three numbers have no inconsistent state.
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        *bounds = change(*bounds);
        *bounds
    }

    /// The limits that kernels have required since the step was set.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn bounds(&self) -> Bounds {
        self.change_bounds(|known| known)
    }

    /// Fails unless the step lies below `bounds`, the limits from the capture of a graph.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn check(&self, bounds: Bounds) -> Result<()> {
        bounds.check(self.at, 1)
    }
}

struct Upload([u32; 4]);

impl InplaceOp1 for Upload {
    fn name(&self) -> &'static str {
        "step"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        candle_core::bail!("a step is a GPU's")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        let device = storage.device.clone();
        device.memcpy_htod(&self.0, u32::as_cuda_slice_mut(storage)?)
    }
}
