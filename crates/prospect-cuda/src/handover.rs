//! Moves tensors from one CUDA stream of a GPU to another.
//!
//! A candle device stands for one CUDA stream. candle treats all devices of a GPU as the same one: it
//! allows operations that mix them and does not order them. Every tensor that crosses streams must
//! therefore go through a [`Handover`].

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, result};
use candle_core::{Device, Error, Result, Tensor};

use crate::memory::{HANDING_OVER, launch};

/// A tensor on its way from the stream that computes it to another stream.
#[derive(Clone)]
pub struct Handover {
    tensor: Tensor,
    /// The event that marks the end of its computation; `None` on the CPU.
    ready: Option<Arc<CudaEvent>>,
}

impl Handover {
    /// Prepares a contiguous tensor whose computation the calling thread has already issued. Work
    /// issued later is not waited for.
    ///
    /// # Errors
    /// The driver fails.
    pub fn of(tensor: Tensor) -> Result<Self> {
        let ready = match tensor.device() {
            Device::Cuda(device) => {
                let event = device.cuda_stream().record_event(None).map_err(Error::wrap)?;
                Some(Arc::new(event))
            }
            _ => None,
        };
        Ok(Self { tensor, ready })
    }

    /// Returns the tensor in the stream of `device`. That stream waits for the tensor; the calling
    /// thread does not.
    ///
    /// # Errors
    /// `device` is another GPU, or the driver fails.
    pub fn take(&self, device: &Device) -> Result<Tensor> {
        let (Some(ready), Device::Cuda(from), Device::Cuda(to)) = (&self.ready, self.tensor.device(), device)
        else {
            return Ok(self.tensor.clone());
        };
        let (there, here) = (from.cuda_stream(), to.cuda_stream());
        if there.context() != here.context() {
            candle_core::bail!("a tensor is handed over within a GPU, not from one to another")
        }
        here.wait(ready).map_err(Error::wrap)?;
        // SAFETY: the copy below writes all of it before this stream reads it.
        #[allow(unsafe_code)]
        let taken = unsafe { Tensor::empty(self.tensor.shape(), self.tensor.dtype(), device)? };
        let bytes = self.tensor.elem_count() * self.tensor.dtype().size_in_bytes();
        launch(HANDING_OVER, [&self.tensor], [&taken], |[source], [target], stream| {
            // SAFETY: both tensors are contiguous, have the same number of bytes and lie on one GPU.
            // The source is not freed before the copy is done, because its own stream waits for the
            // copy below.
            #[allow(unsafe_code)]
            let copied =
                unsafe { result::memcpy_dtod_async(target as u64, source as u64, bytes, stream.cast()) };
            copied.map_or_else(|error| error.0 as i32, |()| 0)
        })?;
        there.wait(&here.record_event(None).map_err(Error::wrap)?).map_err(Error::wrap)?;
        Ok(taken)
    }
}
