//! `[model]`: the checkpoint, the device and the number formats.

use std::fmt;

use crate::choice::choice;
use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[model]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSettings {
    /// The checkpoint: a folder, a GGUF file or a hub id. `None` means the small model of the repository.
    pub path: Option<String>,
    /// The device on which the model runs.
    pub device: Device,
    /// The number format of weights and cache.
    pub dtype: DType,
    /// The implementation that computes the model.
    pub kernels: KernelChoice,
    /// The default of the four settings below, which apply on a CPU only. [`Quantize::Auto`] counts as
    /// [`Quantize::None`] until the caller that loads the model has decided
    /// ([`crate::Settings::with_quantize`]).
    pub quantize: Quantize,
    /// The format of the weights of vision tower and connector.
    pub vision_weights: WeightFormat,
    /// The format of the weights of decoder and head.
    pub decoder_weights: WeightFormat,
    /// The number format in which attention between patches multiplies.
    pub vision_attention: FloatFormat,
    /// The number format of keys and values in the cache.
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

    /// The number format of keys and values in the cache; never [`CacheFormat::Auto`].
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

/// The device on which a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The first CUDA device if the build and the machine have one, otherwise the CPU.
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
    /// The number format of weights and cache.
    pub DType {
        /// f32 on the CPU, bf16 on a GPU.
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
    /// The implementation that computes a model.
    pub KernelChoice {
        /// The fastest implementation that the device has.
        Auto = "auto",
        /// The same, with all kernels of one token captured as one CUDA graph.
        Graph = "graph",
        /// Only operations of the tensor library, the same on every device. The others are compared with it.
        Plain = "plain",
    }
}

choice! {
    /// Whether the model trades accuracy for speed.
    pub Quantize {
        /// No quantisation.
        None = "none",
        /// [`Self::Q8`] on a CPU that would otherwise be slower than the stream, else [`Self::None`].
        Auto = "auto",
        /// int8 weights and cache, bfloat16 attention between patches.
        Q8 = "q8",
    }
}

choice! {
    /// The number format in which the weights of linear layers are stored and multiplied.
    pub WeightFormat {
        /// The format that `model.quantize` implies.
        Auto = "auto",
        /// The format of the checkpoint.
        Exact = "exact",
        /// int8, for the weights and for the input of the layer.
        Q8 = "q8",
    }
}

choice! {
    /// The number format that attention multiplies.
    pub FloatFormat {
        /// The format that `model.quantize` implies.
        Auto = "auto",
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16, with sums in f32.
        Bf16 = "bf16",
    }
}

choice! {
    /// The number format of keys and values in a cache.
    pub CacheFormat {
        /// The format that [`Quantize`] implies.
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
    /// Whether the next frame is encoded while the model is busy with this one. This is possible only if the
    /// source waits for the model.
    pub EncodeAhead {
        /// On a CPU: if the model leaves cores free. On a GPU: always.
        Auto = "auto",
        /// Always.
        On = "on",
        /// Never: each frame is encoded in its turn.
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
