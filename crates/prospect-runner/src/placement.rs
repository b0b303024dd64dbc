//! Decides where the model computes, from the settings and the machine.

use prospect_config::{CacheFormat, DType, Device, ModelSettings, Settings};
use prospect_model::{
    CacheType, ComputeDevice, ComputeType, FloatType, Kernels, Placement, Precision, Precisions,
};

use crate::error::RunError;
use crate::outlet::tell;
use crate::verbosity::Level;

/// The device, number type and code that the settings ask for. If this build or machine does not
/// support them, the result is an error, never a silent replacement. With `auto`, a build for GPUs that
/// runs on the CPU says why on standard error.
pub(crate) fn placement_of(settings: &Settings) -> Result<Placement, RunError> {
    let device = match settings.model.device {
        Device::Cpu => ComputeDevice::Cpu,
        Device::Cuda(index) => asked_for(settings, index)?,
        Device::Auto => best_device(),
    };
    let kernels = match settings.model.kernels {
        prospect_config::KernelChoice::Auto => Kernels::Best,
        prospect_config::KernelChoice::Graph if device == ComputeDevice::Cpu => {
            let expected = "auto or plain: a graph is captured on a GPU";
            return Err(settings.unsupported_error("model.kernels", expected).into());
        }
        prospect_config::KernelChoice::Graph => Kernels::Graph,
        prospect_config::KernelChoice::Plain => Kernels::Plain,
    };
    let dtype = match (settings.model.dtype, device) {
        (DType::Auto | DType::F32, ComputeDevice::Cpu) | (DType::F32, _) => ComputeType::F32,
        (DType::F16, ComputeDevice::Cpu) if kernels == Kernels::Plain => ComputeType::F16,
        (DType::Bf16, ComputeDevice::Cpu) if kernels == Kernels::Plain => ComputeType::Bf16,
        (_, ComputeDevice::Cpu) => {
            let expected = "auto or f32: the CPU's own kernels compute in f32";
            return Err(settings.unsupported_error("model.dtype", expected).into());
        }
        (DType::Auto | DType::Bf16, _) => ComputeType::Bf16,
        (DType::F16, _) => ComputeType::F16,
    };
    Ok(Placement { device, dtype, kernels, precisions: precisions_of(&settings.model) })
}

fn asked_for(settings: &Settings, index: usize) -> Result<ComputeDevice, RunError> {
    let device = ComputeDevice::Cuda(index);
    match (Placement { device, ..Placement::default() }).check_device() {
        Ok(()) => Ok(device),
        Err(error) => {
            let expected = format!("auto or cpu: {error}");
            Err(settings.unsupported_error("model.device", expected).into())
        }
    }
}

fn best_device() -> ComputeDevice {
    let first = ComputeDevice::Cuda(0);
    if !prospect_model::has_cuda() {
        return ComputeDevice::Cpu;
    }
    match (Placement { device: first, ..Placement::default() }).check_device() {
        Ok(()) => first,
        Err(error) => {
            note(&format!("{error}, running on the CPU"));
            ComputeDevice::Cpu
        }
    }
}

/// Tells a person something that is not an error.
fn note(message: &str) {
    tell(Level::Info, message);
}

/// The number formats of the settings in the model's types.
pub(crate) fn precisions_of(settings: &ModelSettings) -> Precisions {
    let weights = |quantizes: bool, int8: Precision| if quantizes { int8 } else { Precision::F32 };
    Precisions {
        vision: weights(settings.quantizes_vision(), Precisions::INT8_VISION),
        decoder: weights(settings.quantizes_decoder(), Precisions::INT8_DECODER),
        vision_attention: match settings.halves_vision_attention() {
            true => FloatType::Bf16,
            false => FloatType::F32,
        },
        kv_cache: match settings.cache_format() {
            CacheFormat::Auto | CacheFormat::F32 => CacheType::F32,
            CacheFormat::Bf16 => CacheType::Bf16,
            CacheFormat::Int8 => CacheType::Int8,
        },
    }
}
