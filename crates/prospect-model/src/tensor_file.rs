//! Safetensors files, read piece by piece: nothing of them stays in memory but the header.

use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{ModelError, Result, one_line};
use crate::open_file::OpenFile;

/// How much of a file is converted at once.
const PIECE: usize = 1 << 20;
/// A header is at most that long, as in the format's own library.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes of one value, and how they are read.
type Format = (usize, fn(&[u8]) -> f32);

/// An open file.
pub(crate) struct TensorFile {
    file: OpenFile,
    header: Metadata,
    /// Where the first tensor begins.
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

    /// Names and tensors.
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

    /// How values are read, or the type of a tensor that holds no weights.
    fn format(&self) -> std::result::Result<Format, Dtype> {
        match self.info.dtype {
            Dtype::F32 => Ok((4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Dtype::BF16 => Ok((2, |b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            Dtype::F16 => Ok((2, |b| f16::from_le_bytes([b[0], b[1]]).to_f32())),
            other => Err(other),
        }
    }

    /// The type's name, if the tensor holds no weights.
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
