//! Where the next token goes, as a GPU reads it in its own memory: the same launches serve every token.

use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::CudaDType;
use candle_core::{CpuStorage, CudaStorage, DType, Device, InplaceOp1, Layout, Result, Tensor};

/// A place in a stream: the next word, its position and its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The word, where kernels look it up.
    pub id: u32,
    /// Its position, or that of a chunk's first token.
    pub position: usize,
    /// Its slot in the cache, likewise.
    pub slot: usize,
}

/// What a step must stay below.
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

/// The place of the next token in memory of the device, `[id, position, slot, slots with it]` in u32, and what is known of it here.
#[derive(Debug)]
pub struct Step {
    numbers: Tensor,
    at: Place,
    /// What the kernels that read it since [`Self::start`] want it to stay below: a graph of them must obey as well.
    bounds: Mutex<Bounds>,
}

impl Step {
    /// At the start of a stream.
    ///
    /// # Errors
    /// A failure of the driver.
    pub fn new(device: &Device) -> Result<Self> {
        let numbers = Tensor::zeros(4, DType::U32, device)?;
        Ok(Self { numbers, at: Place::default(), bounds: Mutex::new(Bounds::NONE) })
    }

    /// Moves it.
    ///
    /// # Errors
    /// Numbers beyond u32; a failure of the driver.
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

    /// Where the device finds how many slots there are with it.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn slots(&self) -> Result<*const u32> {
        let (storage, layout) = self.numbers.storage_and_layout();
        let numbers = crate::memory::Location::of(&storage, layout)?.address.cast_const().cast::<u32>();
        // Makes an address and reads nothing.
        Ok(numbers.wrapping_add(3))
    }

    /// Fails unless the step, with the others of `tokens`, is below `bounds`, and remembers them.
    pub(crate) fn stay_below(&self, bounds: Bounds, tokens: usize) -> Result<()> {
        bounds.check(self.at, tokens)?;
        self.change_bounds(|known| known.and(bounds));
        Ok(())
    }

    fn change_bounds(&self, change: impl FnOnce(Bounds) -> Bounds) -> Bounds {
        // Three numbers are whole whatever happened to the thread that held them.
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        *bounds = change(*bounds);
        *bounds
    }

    /// What it had to stay below since it was moved.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn bounds(&self) -> Bounds {
        self.change_bounds(|known| known)
    }

    /// Fails unless it is below what it was to stay below when a graph was captured.
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
