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
    /// Which code computes.
    pub kernels: KernelChoice,
    /// What the four settings below are unless they say otherwise. They hold on a CPU only. [`Quantize::Auto`] counts as
    /// [`Quantize::None`] until whoever loads the model has decided ([`crate::Settings::with_quantize`]).
    pub quantize: Quantize,
    /// Weights of vision tower and connector.
    pub vision_weights: WeightFormat,
    /// Weights of decoder and head.
    pub decoder_weights: WeightFormat,
    /// What attention between patches multiplies.
    pub vision_attention: FloatFormat,
    /// What the cache holds keys and values in.
    pub kv_cache: CacheFormat,
    /// Whether the next frame is encoded while the model is busy with this one.
    pub encode_ahead: EncodeAhead,
}

impl ModelSettings {
    /// Whether the weights of vision tower and connector become int8.
    pub fn quantizes_vision(&self) -> bool {
        self.quantizes(self.vision_weights)
    }

    /// Whether the weights of decoder and head become int8.
    pub fn quantizes_decoder(&self) -> bool {
        self.quantizes(self.decoder_weights)
    }

    /// Whether attention between patches multiplies in bfloat16.
    pub fn halves_vision_attention(&self) -> bool {
        match self.vision_attention {
            FloatFormat::Auto => self.quantize == Quantize::Q8,
            FloatFormat::F32 => false,
            FloatFormat::Bf16 => true,
        }
    }

    /// What keys and values are kept in: never [`CacheFormat::Auto`].
    pub fn cache_format(&self) -> CacheFormat {
        match (self.kv_cache, self.quantize) {
            (CacheFormat::Auto, Quantize::Q8) => CacheFormat::Int8,
            (CacheFormat::Auto, Quantize::None | Quantize::Auto) => CacheFormat::F32,
            (format, _) => format,
        }
    }

    fn quantizes(&self, weights: WeightFormat) -> bool {
        match weights {
            WeightFormat::Auto => self.quantize == Quantize::Q8,
            WeightFormat::Exact => false,
            WeightFormat::Q8 => true,
        }
    }
}

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The first CUDA device where the build and the machine have one, else the CPU.
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
        /// What suits the device: f32 on the CPU, bf16 on a GPU.
        Auto = "auto",
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16.
        Bf16 = "bf16",
        /// 16-bit floats.
        F16 = "f16",
    }
}

choice! {
    /// Which code computes.
    pub KernelChoice {
        /// The fastest that the device has.
        Auto = "auto",
        /// The same, with what a word takes captured as one CUDA graph.
        Graph = "graph",
        /// Operations of the tensor library alone, the same on every device: to compare with.
        Plain = "plain",
    }
}

choice! {
    /// How much accuracy speed may cost.
    pub Quantize {
        /// None.
        None = "none",
        /// As [`Self::Q8`] on a CPU that would not keep the stream's pace otherwise, else none.
        Auto = "auto",
        /// int8 weights and cache, bfloat16 attention between patches.
        Q8 = "q8",
    }
}

choice! {
    /// What the weights of linear layers are held and multiplied in.
    pub WeightFormat {
        /// As `model.quantize` says.
        Auto = "auto",
        /// As the checkpoint has them.
        Exact = "exact",
        /// int8, and the layer's input as well.
        Q8 = "q8",
    }
}

choice! {
    /// What attention reads.
    pub FloatFormat {
        /// As `model.quantize` says.
        Auto = "auto",
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16, summed up in f32.
        Bf16 = "bf16",
    }
}

choice! {
    /// What a cache holds keys and values in.
    pub CacheFormat {
        /// As [`Quantize`] says.
        Auto = "auto",
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16.
        Bf16 = "bf16",
        /// int8 with a scale for each token and head.
        Int8 = "int8",
    }
}

choice! {
    /// Whether the next frame is encoded while the model is busy with this one. Only where the source waits for the model.
    pub EncodeAhead {
        /// On a CPU, where the model leaves cores free.
        Auto = "auto",
        /// Always.
        On = "on",
        /// Never: each frame in its turn.
        Off = "off",
    }
}

pub(crate) fn validate(raw: &Raw) -> Result<ModelSettings, SettingsError> {
    Ok(ModelSettings {
        path: raw.find("model.path").map(Field::filled_text).transpose()?,
        device: device(raw.need("model.device")?)?,
        dtype: raw.need("model.dtype")?.one_of()?,
        kernels: raw.need("model.kernels")?.one_of()?,
        quantize: raw.need("model.quantize")?.one_of()?,
        vision_weights: raw.need("model.vision_weights")?.one_of()?,
        decoder_weights: raw.need("model.decoder_weights")?.one_of()?,
        vision_attention: raw.need("model.vision_attention")?.one_of()?,
        kv_cache: raw.need("model.kv_cache")?.one_of()?,
        encode_ahead: raw.need("model.encode_ahead")?.one_of()?,
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
