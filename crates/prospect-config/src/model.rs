//! `[model]`: which checkpoint, where it runs, in which number format.

use std::fmt;

use crate::choice::choice;
use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[model]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSettings {
    /// Checkpoint folder; `None` takes the embedded default.
    pub path: Option<String>,
    /// Where the model runs.
    pub device: Device,
    /// Number format of weights and cache.
    pub dtype: DType,
}

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The best that the build can use: the CPU, as long as no other is built in.
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device with this index.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

choice! {
    /// Number format of weights and cache.
    pub DType {
        /// What suits the device: f32 on the CPU, the checkpoint's own on a GPU.
        Auto = "auto",
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16.
        Bf16 = "bf16",
        /// 16-bit floats.
        F16 = "f16",
    }
}

pub(crate) fn validate(raw: &Raw) -> Result<ModelSettings, SettingsError> {
    Ok(ModelSettings {
        path: raw.find("model.path").map(Field::filled_text).transpose()?,
        device: device(raw.need("model.device")?)?,
        dtype: raw.need("model.dtype")?.one_of()?,
    })
}

fn device(field: Field<'_>) -> Result<Device, SettingsError> {
    match field.text()?.as_str() {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda(0)),
        other => {
            let index = other.strip_prefix("cuda:").and_then(|index| index.parse().ok());
            let expected = "\"auto\", \"cpu\", \"cuda\" or \"cuda:N\"";
            index.map(Device::Cuda).ok_or_else(|| field.invalid(expected))
        }
    }
}
