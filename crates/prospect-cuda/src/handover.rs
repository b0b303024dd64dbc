//! Tensors from one stream of a GPU to another.
//!
//! A device of the tensor library is a stream. It takes all of a GPU's for the same one and lets operations mix them, without order:
//! what crosses over goes through here.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, result};
use candle_core::{Device, Error, Result, Tensor};

use crate::memory::{HANDING_OVER, launch};

/// A tensor that its stream computes, or has computed, for another one.
#[derive(Clone)]
pub struct Handover {
    tensor: Tensor,
    /// When that is done; `None` on the CPU.
    ready: Option<Arc<CudaEvent>>,
}

impl Handover {
    /// Of a contiguous tensor that the calling thread has asked its stream for. What the stream is asked for later is not waited for.
    ///
    /// # Errors
    /// A failure of the driver.
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

    /// The tensor in the stream of `device`, which waits for it; the calling thread does not.
    ///
    /// # Errors
    /// Another GPU; a failure of the driver.
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
        // SAFETY: all of it is written by the copy below, before anything in this stream reads it.
        #[allow(unsafe_code)]
        let taken = unsafe { Tensor::empty(self.tensor.shape(), self.tensor.dtype(), device)? };
        let bytes = self.tensor.elem_count() * self.tensor.dtype().size_in_bytes();
        launch(HANDING_OVER, [&self.tensor], [&taken], |[source], [target], stream| {
            // SAFETY: both are contiguous and have as many bytes, on one GPU. The source is not freed before the copy is done: the
            // stream that it is freed in waits for that, below.
            #[allow(unsafe_code)]
            let copied =
                unsafe { result::memcpy_dtod_async(target as u64, source as u64, bytes, stream.cast()) };
            copied.map_or_else(|error| error.0 as i32, |()| 0)
        })?;
        there.wait(&here.record_event(None).map_err(Error::wrap)?).map_err(Error::wrap)?;
        Ok(taken)
    }
}
