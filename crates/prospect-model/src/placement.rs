//! Where a model computes, and in which type.

use std::fmt;

use candle_core::{DType, Device};

use crate::attention::int8;
use crate::error::{ModelError, Result};
use crate::precisions::{CacheType, Precisions};

/// A device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComputeDevice {
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
}

impl fmt::Display for ComputeDevice {
    /// As settings and traces name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// The type of weights, cache and whatever is multiplied. Residual streams, norms, softmax and logits are f32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComputeType {
    /// 32-bit floats.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// 16-bit floats.
    F16,
}

impl ComputeType {
    /// Its name in settings and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        self.dtype().size_in_bytes()
    }

    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

/// Which code computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kernels {
    /// The fastest that the device has: our own on the CPU, flash attention on a GPU where it is built in.
    #[default]
    Best,
    /// The same, with all that a word takes captured as one CUDA graph, where a GPU has flash attention over the cache. One thread at a
    /// time uses such a model, its images aside.
    Graph,
    /// Operations of the tensor library alone, the same on every device: what the others are compared with.
    Plain,
}

/// Where and how a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// The device.
    pub device: ComputeDevice,
    /// The type; the CPU has f32, and with [`Kernels::Plain`] the others, rounded where a GPU rounds and slow.
    pub dtype: ComputeType,
    /// The code.
    pub kernels: Kernels,
    /// What our own kernels on the CPU hold and multiply; elsewhere it is exact, in `dtype`.
    pub precisions: Precisions,
}

impl From<Precisions> for Placement {
    /// On the CPU by our own kernels.
    fn from(precisions: Precisions) -> Self {
        Self { precisions, ..Self::default() }
    }
}

impl fmt::Display for Placement {
    /// The type, or what of it is held in another one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.over_buffers() {
            true => self.precisions.fmt(f),
            false => f.write_str(self.dtype.name()),
        }
    }
}

impl Placement {
    /// Whether this build and this machine have the device.
    ///
    /// # Errors
    /// [`ModelError::Gpu`].
    pub fn check_device(self) -> Result<()> {
        match self.device {
            ComputeDevice::Cpu => Ok(()),
            ComputeDevice::Cuda(index) => check_cuda(index),
        }
    }

    /// Opens the device.
    pub(crate) fn open(self) -> Result<Compute> {
        let on_cpu = self.device == ComputeDevice::Cpu;
        if on_cpu && self.dtype != ComputeType::F32 && self.kernels != Kernels::Plain {
            let (what, expected) = (self.dtype.name(), "f32 on the CPU, or plain kernels");
            return Err(ModelError::Unsupported { what, expected });
        }
        if self.kernels == Kernels::Graph && (on_cpu || self.dtype == ComputeType::F32) {
            let expected = "a GPU, and bf16 or f16";
            return Err(ModelError::Unsupported { what: "a graph of a word", expected });
        }
        if !self.over_buffers() && self.precisions != Precisions::EXACT {
            let expected = "them where our own kernels compute, on the CPU";
            return Err(ModelError::Unsupported { what: "int8 or bf16 parts", expected });
        }
        let device = match self.device {
            ComputeDevice::Cpu => Device::Cpu,
            ComputeDevice::Cuda(index) => open_cuda(index)?,
        };
        Ok(Compute { device, dtype: self.dtype.dtype(), placement: self })
    }

    /// Whether the passes over buffers compute; everything else is tensors.
    fn over_buffers(self) -> bool {
        let Self { device, dtype, kernels, .. } = self;
        (device, dtype, kernels) == (ComputeDevice::Cpu, ComputeType::F32, Kernels::Best)
    }
}

#[cfg(feature = "cuda")]
fn check_cuda(index: usize) -> Result<()> {
    prospect_cuda::check(index).map_err(|error| ModelError::Gpu { problem: error.to_string() })
}

#[cfg(not(feature = "cuda"))]
fn check_cuda(_: usize) -> Result<()> {
    Err(ModelError::Gpu { problem: "this build has no CUDA support".to_owned() })
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Device> {
    prospect_cuda::open(index).map_err(|error| ModelError::Gpu { problem: error.to_string() })
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(index: usize) -> Result<Device> {
    check_cuda(index).map(|()| Device::Cpu)
}

/// What a stream of a GPU computes for another; elsewhere nothing stands between.
#[cfg(feature = "cuda")]
pub(crate) use prospect_cuda::Handover;

/// As it is where there is one stream.
#[cfg(not(feature = "cuda"))]
#[derive(Clone)]
pub(crate) struct Handover(candle_core::Tensor);

#[cfg(not(feature = "cuda"))]
impl Handover {
    pub(crate) fn of(tensor: candle_core::Tensor) -> candle_core::Result<Self> {
        Ok(Self(tensor))
    }

    pub(crate) fn take(&self, _: &Device) -> candle_core::Result<candle_core::Tensor> {
        Ok(self.0.clone())
    }
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// In use, by all processes.
    pub used: usize,
    /// Of the device.
    pub total: usize,
}

#[cfg(feature = "cuda")]
pub(crate) fn device_memory(device: &Device) -> Option<DeviceMemory> {
    let memory = prospect_cuda::memory(device)?;
    Some(DeviceMemory { used: memory.used, total: memory.total })
}

#[cfg(not(feature = "cuda"))]
pub(crate) fn device_memory(_: &Device) -> Option<DeviceMemory> {
    None
}

/// An open device with the type to compute in.
#[derive(Debug, Clone)]
pub(crate) struct Compute {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
    pub(crate) placement: Placement,
}

impl Compute {
    /// f32 on the CPU.
    pub(crate) fn cpu() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32, placement: Placement::default() }
    }

    /// Fails if a tensor is another device's: on a GPU that is a stream, and in another one's nothing would be in order. The tensor
    /// library takes all of a GPU's for one.
    pub(crate) fn check_own(&self, tensor: &candle_core::Tensor) -> Result<()> {
        match tensor.device().same_device(&self.device) {
            true => Ok(()),
            false => Err(candle_core::Error::msg("what a model made on a GPU belongs to that model").into()),
        }
    }

    /// Another stream of the same device, for what goes on beside this one; the CPU has none.
    pub(crate) fn beside(&self) -> Result<Self> {
        match self.placement.device {
            ComputeDevice::Cpu => Ok(self.clone()),
            ComputeDevice::Cuda(_) => self.placement.open(),
        }
    }

    /// Whether the passes over buffers compute; everything else is tensors.
    pub(crate) fn over_buffers(&self) -> bool {
        self.placement.over_buffers()
    }

    /// The type of keys and values in the cache.
    pub(crate) fn cache_dtype(&self) -> DType {
        match self.placement.precisions.kv_cache {
            CacheType::Bf16 if self.over_buffers() => DType::BF16,
            CacheType::Int8 if self.over_buffers() => DType::U8,
            _ => self.dtype,
        }
    }

    /// Numbers of one head's key or value in the cache, of its type.
    pub(crate) fn cache_row(&self, head_dim: usize) -> usize {
        match self.cache_dtype() {
            DType::U8 => int8::row_bytes(head_dim),
            _ => head_dim,
        }
    }
}
