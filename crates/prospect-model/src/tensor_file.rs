//! Safetensors files, read piece by piece. Only the header stays in memory.

use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{ModelError, Result, one_line};
use crate::open_file::OpenFile;

/// Bytes of a file that are converted at once.
const PIECE: usize = 1 << 20;
/// Longest header in bytes, as in the `safetensors` library.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes of one value, and a function that reads it.
type Format = (usize, fn(&[u8]) -> f32);

/// An open file.
pub(crate) struct TensorFile {
    file: OpenFile,
    header: Metadata,
    /// Byte at which the first tensor begins.
    start: u64,
}

/// A tensor in a file.
pub(crate) struct CheckpointTensor {
    file: Arc<TensorFile>,
    info: TensorInfo,
}

impl TensorFile {
    /// Opens a file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let wrong = |message: String| ModelError::Safetensors { path: path.to_owned(), message };
        let file = OpenFile::open(path)?;
        let length = file.length();
        let mut size = [0; 8];
        file.read(0, &mut size).map_err(|_| wrong("header too small".to_owned()))?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER || size > length.saturating_sub(8) {
            return Err(wrong(format!("a header of {size} bytes in a file of {length}")));
        }
        let mut header = vec![0; size as usize];
        file.read(8, &mut header)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| wrong(one_line(error)))?;
        let (start, expected) = (8 + size, 8 + size + header.data_len() as u64);
        if length != expected {
            return Err(wrong(format!("{length} bytes, by its header {expected}")));
        }
        Ok(Self { file, header, start })
    }

    /// All tensors with their names.
    pub(crate) fn tensors(self: Arc<Self>) -> Vec<(String, CheckpointTensor)> {
        let stored = |(name, info): (String, &TensorInfo)| {
            (name, CheckpointTensor { file: Arc::clone(&self), info: info.clone() })
        };
        self.header.tensors().into_iter().map(stored).collect()
    }
}

impl CheckpointTensor {
    pub(crate) fn shape(&self) -> &[usize] {
        &self.info.shape
    }

    /// How the values are read; for tensors that cannot be weights, their type.
    fn format(&self) -> std::result::Result<Format, Dtype> {
        match self.info.dtype {
            Dtype::F32 => Ok((4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Dtype::BF16 => Ok((2, |b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            Dtype::F16 => Ok((2, |b| f16::from_le_bytes([b[0], b[1]]).to_f32())),
            other => Err(other),
        }
    }

    /// Name of the type, if the tensor cannot be weights.
    pub(crate) fn wrong_type(&self) -> Option<String> {
        self.format().err().map(|dtype| format!("{dtype:?}"))
    }

    /// All values, converted to f32, row-major.
    pub(crate) fn values(&self) -> Result<Vec<f32>> {
        let Ok((size, read)) = self.format() else { return Ok(Vec::new()) };
        let count: usize = self.info.shape.iter().product();
        let start = self.file.start + self.info.data_offsets.0 as u64;
        let mut values = Vec::with_capacity(count);
        let mut piece = vec![0; (count * size).min(PIECE)];
        while values.len() < count {
            let done = values.len() * size;
            let piece = &mut piece[..PIECE.min(count * size - done)];
            self.file.file.read(start + done as u64, piece)?;
            values.extend(piece.chunks_exact(size).map(read));
        }
        Ok(values)
    }
}
