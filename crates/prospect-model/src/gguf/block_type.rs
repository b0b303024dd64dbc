//! The formats of tensors: values per block, bytes per block, and decoding.

use std::borrow::Cow;

use candle_core::CpuStorage;
use candle_core::quantized::GgmlDType;

use crate::error::{ModelError, Result};

/// Alignment of blocks, in bytes, that the tensor library requires.
pub(super) const ALIGNMENT: usize = 8;

/// The formats in which weights are published, with their numbers in files. Q8_1 and Q8_K are missing,
/// because they only hold inputs of products.
const TYPES: [(u32, &str, GgmlDType); 13] = [
    (0, "F32", GgmlDType::F32),
    (1, "F16", GgmlDType::F16),
    (2, "Q4_0", GgmlDType::Q4_0),
    (3, "Q4_1", GgmlDType::Q4_1),
    (6, "Q5_0", GgmlDType::Q5_0),
    (7, "Q5_1", GgmlDType::Q5_1),
    (8, "Q8_0", GgmlDType::Q8_0),
    (10, "Q2_K", GgmlDType::Q2K),
    (11, "Q3_K", GgmlDType::Q3K),
    (12, "Q4_K", GgmlDType::Q4K),
    (13, "Q5_K", GgmlDType::Q5K),
    (14, "Q6_K", GgmlDType::Q6K),
    (30, "BF16", GgmlDType::BF16),
];

/// A tensor format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockType {
    pub(super) name: &'static str,
    dtype: GgmlDType,
}

impl BlockType {
    /// The format with this number in files.
    pub(super) fn of(number: u32) -> Option<Self> {
        let found = TYPES.iter().find(|(of, _, _)| *of == number)?;
        Some(Self { name: found.1, dtype: found.2 })
    }

    /// The names of all formats.
    pub(super) fn names() -> String {
        TYPES.map(|(_, name, _)| name).join(", ")
    }

    /// Number of values in a block.
    pub(super) fn values(self) -> u64 {
        self.dtype.block_size() as u64
    }

    /// Number of bytes in a block.
    pub(super) fn bytes(self) -> u64 {
        self.dtype.type_size() as u64
    }

    /// Decodes whole blocks. They must begin at a multiple of [`ALIGNMENT`] in memory.
    pub(super) fn decode(self, blocks: &[u8]) -> Result<Vec<f32>> {
        let count = blocks.len() / self.dtype.type_size() * self.dtype.block_size();
        match self.dtype.from_data(Cow::Borrowed(blocks)).dequantize(count)? {
            CpuStorage::F32(values) => Ok(values),
            // Unreachable: the library returns f32 only.
            _ => Err(ModelError::Unsupported { what: self.name, expected: "a format of weights" }),
        }
    }
}
