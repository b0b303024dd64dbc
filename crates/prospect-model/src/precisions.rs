//! The number formats of a loaded model on the CPU.

use std::fmt;

use crate::attention::int8;
use crate::linear::Precision;

/// Formats in which weights are held and products are computed, by part of the model. The default is
/// exact: everything in f32, except that weights which are bf16 in the checkpoint are held as bf16
/// without loss. Sums, norms, the residual stream and the embedding table are always floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precisions {
    /// Linear layers of vision tower and connector, except the patch embedding.
    pub vision: Precision,
    /// Linear layers of the decoder, and its output head.
    pub decoder: Precision,
    /// Keys and values in the vision tower's attention.
    pub vision_attention: FloatType,
    /// Keys and values in the KV cache.
    pub kv_cache: CacheType,
}

/// Format of keys and values in the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheType {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// int8 with one scale for each key and each value of a token and head.
    Int8,
}

impl CacheType {
    /// Bytes of one head's key or value.
    pub fn row_bytes(self, head_dim: usize) -> usize {
        match self {
            Self::F32 => FloatType::F32.bytes() * head_dim,
            Self::Bf16 => FloatType::Bf16.bytes() * head_dim,
            Self::Int8 => int8::row_bytes(head_dim),
        }
    }
}

/// A floating point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// 32 bits.
    F32,
    /// bfloat16: 16 bits, with 8 bits of precision.
    Bf16,
}

impl FloatType {
    /// Size of a number in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

impl Precisions {
    /// Nothing is rounded.
    pub const EXACT: Self = Self {
        vision: Precision::F32,
        decoder: Precision::F32,
        vision_attention: FloatType::F32,
        kv_cache: CacheType::F32,
    };

    /// int8 for the vision tower.
    pub const INT8_VISION: Precision = Precision::Int8 { inputs_per_scale: 256, rotated: false };

    /// int8 for the decoder, whose inputs have outliers.
    pub const INT8_DECODER: Precision = Precision::Int8 { inputs_per_scale: 64, rotated: true };

    /// int8 linear layers and cache, bf16 attention in the vision tower: the fastest choice on a CPU.
    pub const Q8: Self = Self {
        vision: Self::INT8_VISION,
        decoder: Self::INT8_DECODER,
        vision_attention: FloatType::Bf16,
        kv_cache: CacheType::Int8,
    };
}

impl fmt::Display for Precisions {
    /// `f32`, or the parts that differ from it, as in `f32 with int8 vision, bf16 cache`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.vision != Precision::F32, "int8 vision"),
            (self.decoder != Precision::F32, "int8 decoder"),
            (self.vision_attention == FloatType::Bf16, "bf16 vision attention"),
            (self.kv_cache == CacheType::Bf16, "bf16 cache"),
            (self.kv_cache == CacheType::Int8, "int8 cache"),
        ];
        let parts: Vec<&str> = parts.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        match parts.is_empty() {
            true => f.write_str("f32"),
            false => write!(f, "f32 with {}", parts.join(", ")),
        }
    }
}

impl Default for Precisions {
    fn default() -> Self {
        Self::EXACT
    }
}
