//! What a loaded model computes in.

use std::fmt;

use crate::attention::int8;
use crate::linear::Precision;

/// What weights are held and what products are computed in, part by part. The default is exact: f32 throughout, but that
/// weights which are bf16 as they come are held so, to the same bits. Sums, norms, the residual stream and the embedding table
/// are floats in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precisions {
    /// Linear layers of vision tower and connector, but the first one, which sees pixels.
    pub vision: Precision,
    /// Linear layers of the decoder, and its head.
    pub decoder: Precision,
    /// What attention between patches multiplies.
    pub vision_attention: FloatType,
    /// What the cache holds keys and values in.
    pub kv_cache: CacheType,
}

/// What a cache holds keys and values in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheType {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// int8 with a scale for the key and one for the value of each head of a token.
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

/// A number format of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// 32 bits.
    F32,
    /// bfloat16: 16 bits, of which 8 are mantissa.
    Bf16,
}

impl FloatType {
    /// Bytes of one number.
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
    pub const INT8_VISION: Precision = Precision::Int8 { inputs_per_scale: 256 };

    /// int8 for the decoder.
    pub const INT8_DECODER: Precision = Precision::Int8 { inputs_per_scale: 64 };

    /// int8 linear layers and cache, bf16 attention: the fastest on a CPU.
    pub const Q8: Self = Self {
        vision: Self::INT8_VISION,
        decoder: Self::INT8_DECODER,
        vision_attention: FloatType::Bf16,
        kv_cache: CacheType::Int8,
    };
}

impl fmt::Display for Precisions {
    /// `f32`, or what is not: `f32 with int8 vision, bf16 cache`.
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
