//! The device and the number types of a model's computation.

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
    /// The name in settings and traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// The type of weights, cache and the factors of products. The residual stream, norms, softmax and
/// logits are always f32.
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
    /// The name in settings and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Size of a value in bytes.
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

/// The code that computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kernels {
    /// The fastest code for the device: our own kernels on the CPU; on a GPU our own kernels and flash
    /// attention, if they are built in.
    #[default]
    Best,
    /// As `Best`, but decoding a token is captured as one CUDA graph. This needs a GPU with flash
    /// attention over the cache. Only one thread at a time may use such a model, except for encoding
    /// images.
    Graph,
    /// Only operations of the tensor library, which are the same on every device. Other kernels are
    /// compared with them.
    Plain,
}

/// Where a model computes, and with which types and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// The device.
    pub device: ComputeDevice,
    /// The number type. The CPU computes in f32; with [`Kernels::Plain`] it also computes in the
    /// others, slowly, rounding where a GPU rounds.
    pub dtype: ComputeType,
    /// The code that computes.
    pub kernels: Kernels,
    /// Formats of weights and products in our own kernels on the CPU. Elsewhere these formats are
    /// ignored and `dtype` is used.
    pub precisions: Precisions,
}

impl From<Precisions> for Placement {
    /// On the CPU, with our own kernels.
    fn from(precisions: Precisions) -> Self {
        Self { precisions, ..Self::default() }
    }
}

impl fmt::Display for Placement {
    /// The number type, or the parts that have another precision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.over_buffers() {
            true => self.precisions.fmt(f),
            false => f.write_str(self.dtype.name()),
        }
    }
}

impl Placement {
    /// Checks that this build and this machine have the device.
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

    /// Whether the passes over buffers compute. Otherwise the passes over tensors do.
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

/// A tensor that goes from one CUDA stream of a GPU to another.
#[cfg(feature = "cuda")]
pub(crate) use prospect_cuda::Handover;

/// Without CUDA streams, the tensor itself.
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

/// Memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Memory in use by all processes.
    pub used: usize,
    /// Total memory of the device.
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

/// An open device, with the number type of the computation.
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

    /// Fails if a tensor belongs to another candle device. On a GPU a candle device is a CUDA stream;
    /// the tensor library treats all streams of a GPU as one device, and operations across them would
    /// not be ordered.
    pub(crate) fn check_own(&self, tensor: &candle_core::Tensor) -> Result<()> {
        match tensor.device().same_device(&self.device) {
            true => Ok(()),
            false => Err(candle_core::Error::msg("what a model made on a GPU belongs to that model").into()),
        }
    }

    /// Another CUDA stream of the same device, for parallel work. On the CPU it is the same device.
    pub(crate) fn beside(&self) -> Result<Self> {
        match self.placement.device {
            ComputeDevice::Cpu => Ok(self.clone()),
            ComputeDevice::Cuda(_) => self.placement.open(),
        }
    }

    /// Whether the passes over buffers compute. Otherwise the passes over tensors do.
    pub(crate) fn over_buffers(&self) -> bool {
        self.placement.over_buffers()
    }

    /// The tensor type of keys and values in the cache.
    pub(crate) fn cache_dtype(&self) -> DType {
        match self.placement.precisions.kv_cache {
            CacheType::Bf16 if self.over_buffers() => DType::BF16,
            CacheType::Int8 if self.over_buffers() => DType::U8,
            _ => self.dtype,
        }
    }

    /// Length of one head's key or value row in the cache, counted in values of its type.
    pub(crate) fn cache_row(&self, head_dim: usize) -> usize {
        match self.cache_dtype() {
            DType::U8 => int8::row_bytes(head_dim),
            _ => head_dim,
        }
    }
}
