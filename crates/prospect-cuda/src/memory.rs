//! Addresses of tensors, for kernels that take pointers.

use std::ffi::{c_int, c_void};
use std::ptr;

use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::cuda_backend::cudarc::driver::DevicePtr;
use candle_core::{Error, Layout, Result, Storage, Tensor};

/// Name of the only launch that may read a tensor of another stream: [`crate::Handover`] has waited for
/// it.
pub(crate) const HANDING_OVER: &str = "handing over";

/// Runs `kernel` on the memory of contiguous tensors on one device. `kernel` gets the addresses that it
/// reads, the addresses that it writes, and the CUDA stream. It returns a CUDA status, 0 for success.
///
/// # Errors
/// A tensor is not contiguous, has an unsupported type or device, or lies in another stream than the
/// written tensors; a written tensor shares its memory with another tensor of the call; `kernel`
/// returns a status other than 0.
pub(crate) fn launch<const READ: usize, const WRITTEN: usize>(
    name: &'static str,
    read: [&Tensor; READ],
    written: [&Tensor; WRITTEN],
    kernel: impl FnOnce([*const c_void; READ], [*mut c_void; WRITTEN], *mut c_void) -> c_int,
) -> Result<()> {
    keep_apart(name, &read, &written)?;
    let (read, written) = (read.map(Tensor::storage_and_layout), written.map(Tensor::storage_and_layout));
    let (mut sources, mut targets) = ([ptr::null(); READ], [ptr::null_mut(); WRITTEN]);
    for (source, (storage, layout)) in sources.iter_mut().zip(&read) {
        *source = Location::of(storage, layout)?.address.cast_const();
    }
    let mut stream = ptr::null_mut();
    for (target, (storage, layout)) in targets.iter_mut().zip(&written) {
        let place = Location::of(storage, layout)?;
        (*target, stream) = (place.address, place.stream);
    }
    match kernel(sources, targets, stream) {
        0 => Ok(()),
        status => candle_core::bail!("{name}: CUDA error {status}"),
    }
}

/// Fails unless all tensors belong to one stream and no written tensor shares memory with another.
/// [`HANDING_OVER`] may read a tensor of another stream.
fn keep_apart(name: &str, read: &[&Tensor], written: &[&Tensor]) -> Result<()> {
    let storage = |tensor: &Tensor| ptr::from_ref(&*tensor.storage_and_layout().0);
    for (index, target) in written.iter().enumerate() {
        for other in written[..index].iter().chain(read) {
            if storage(other) == storage(target) {
                candle_core::bail!("{name}: a tensor is written that shares its memory with another")
            }
            if name != HANDING_OVER && !other.device().same_device(target.device()) {
                candle_core::bail!("{name}: tensors of several devices")
            }
        }
    }
    Ok(())
}

/// An address on a device, and the CUDA stream of that device.
pub(crate) struct Location {
    pub(crate) address: *mut c_void,
    stream: *mut c_void,
}

impl Location {
    /// The location of a contiguous tensor. Kernels write to device memory, which no Rust reference
    /// points to.
    pub(crate) fn of(storage: &Storage, layout: &Layout) -> Result<Self> {
        let Storage::Cuda(storage) = storage else {
            candle_core::bail!("kernels of CUDA: expected tensors on a GPU of NVIDIA's")
        };
        let Some((first, _)) = layout.contiguous_offsets() else {
            candle_core::bail!("{layout:?}: expected a contiguous tensor")
        };
        let stream = storage.device.cuda_stream();
        // Kernels are launched on the device that is bound to the thread.
        stream.context().bind_to_thread().map_err(Error::wrap)?;
        let address = match &storage.slice {
            CudaStorageSlice::F32(values) => values.slice(first..).device_ptr(&stream).0,
            CudaStorageSlice::BF16(values) => values.slice(first..).device_ptr(&stream).0,
            CudaStorageSlice::F16(values) => values.slice(first..).device_ptr(&stream).0,
            CudaStorageSlice::U32(values) => values.slice(first..).device_ptr(&stream).0,
            _ => candle_core::bail!("kernels take f32, bf16, f16 and u32"),
        };
        Ok(Self { address: address as *mut c_void, stream: stream.cu_stream().cast() })
    }
}
