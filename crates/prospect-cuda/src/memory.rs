//! Where tensors lie, for kernels that take addresses.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;

use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::cuda_backend::cudarc::driver::DevicePtr;
use candle_core::{CpuStorage, CudaStorage, Error, InplaceOp1, Layout, Result, Storage, Tensor};

/// What may read a tensor of another stream: it has waited for it.
pub(crate) const HANDING_OVER: &str = "handing over";

/// Runs `kernel` over the memory of tensors on one device, all contiguous: with the addresses of what it reads, of what it writes,
/// and with the stream that it goes into. It returns a status, 0 if all is well.
///
/// # Errors
/// A tensor that is not contiguous, of a type or on a device that kernels do not take, of another stream than what is written, or written
/// and of the same memory as another of the call; any other status.
pub(crate) fn launch<const READ: usize, const WRITTEN: usize>(
    name: &'static str,
    read: [&Tensor; READ],
    written: [&Tensor; WRITTEN],
    kernel: impl FnOnce([*const c_void; READ], [*mut c_void; WRITTEN], *mut c_void) -> c_int,
) -> Result<()> {
    keep_apart(name, &read, &written)?;
    let locked = read.map(Tensor::storage_and_layout);
    let (mut sources, mut stream) = ([ptr::null(); READ], ptr::null_mut());
    for (source, (storage, layout)) in sources.iter_mut().zip(&locked) {
        *source = Location::of(storage, layout)?.address.cast_const();
    }
    let mut targets = Vec::with_capacity(WRITTEN);
    let mut kernel = Some(kernel);
    lend(name, &written, &mut targets, &mut |targets| {
        let mut places = [ptr::null_mut(); WRITTEN];
        for (place, target) in places.iter_mut().zip(targets) {
            (*place, stream) = (target.address, target.stream);
        }
        match kernel.take().map(|kernel| kernel(sources, places, stream)) {
            Some(0) | None => Ok(()),
            Some(status) => candle_core::bail!("{name}: CUDA error {status}"),
        }
    })
}

/// Fails unless all tensors are of one stream, and what is written shares no memory with another: its lock is held while the others'
/// are taken. What is handed over comes from another stream.
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

/// Takes the first of `tensors` to be written, then the others, and then does it.
fn lend(
    name: &'static str,
    tensors: &[&Tensor],
    taken: &mut Vec<Location>,
    then: &mut dyn FnMut(&[Location]) -> Result<()>,
) -> Result<()> {
    let Some((first, others)) = tensors.split_first() else { return then(taken) };
    first.inplace_op1(&Lend {
        name,
        then: RefCell::new(|place| {
            taken.push(place);
            lend(name, others, taken, then)
        }),
    })
}

/// An address on a device, and the stream that everything of the device goes into.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    pub(crate) address: *mut c_void,
    stream: *mut c_void,
}

struct Lend<F> {
    name: &'static str,
    then: RefCell<F>,
}

impl<F: FnMut(Location) -> Result<()>> InplaceOp1 for Lend<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        candle_core::bail!("{}: expected tensors on a GPU", self.name)
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        (self.then.borrow_mut())(Location::on_gpu(storage, first(layout)?)?)
    }
}

/// The first element of a contiguous tensor.
fn first(layout: &Layout) -> Result<usize> {
    match layout.contiguous_offsets() {
        Some((first, _)) => Ok(first),
        None => candle_core::bail!("{layout:?}: expected a contiguous tensor"),
    }
}

impl Location {
    pub(crate) fn of(storage: &Storage, layout: &Layout) -> Result<Self> {
        let first = first(layout)?;
        match storage {
            Storage::Cuda(storage) => Self::on_gpu(storage, first),
            _ => candle_core::bail!("kernels of CUDA: expected tensors on a GPU of NVIDIA's"),
        }
    }

    /// What is written lies on the device, where no reference of Rust's reaches.
    fn on_gpu(storage: &CudaStorage, first: usize) -> Result<Self> {
        let stream = storage.device.cuda_stream();
        // Kernels are launched on the device that is the thread's.
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
