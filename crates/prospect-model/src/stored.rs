//! A safetensors file with a text of the caller and a checksum over its contents.
//!
//! It is written in one pass without copying the tensors, which may be larger than the free memory. Any
//! program that reads safetensors can read it; the checksum is the last tensor.

use std::collections::HashMap;
use std::io::{self, Write};

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use crc32fast::Hasher;
use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::error::{first_line, one_line};

/// Key of the caller's text in the file's metadata.
const TEXT: &str = "prospect_stream";
/// The first bytes of every such file, after the eight bytes with the length of the header.
const SIGNATURE: &[u8] = br#"{"__metadata__":{"prospect_stream":"#;
/// Name of the last tensor: the CRC-32 of all bytes before its value.
const CHECKSUM: &str = "crc32";
const HEADER_LENGTH_BYTES: usize = 8;
/// Number of values that are converted to bytes at a time.
const VALUES_AT_A_TIME: usize = 16 * 1024;

/// Why tensors cannot be written to a file or read from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The file cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
    /// The file is shorter or longer than its header says.
    #[error("it is cut off, or something was appended: expected as many bytes as its header names")]
    Length,
    /// The file is not one of these files.
    #[error("it is none: expected a file that --checkpoint wrote")]
    Foreign,
    /// The header is damaged.
    #[error("its header is damaged: {message}")]
    Header {
        /// The parser's message.
        message: String,
    },
    /// The bytes differ from those that were written.
    #[error("it is damaged: its checksum is {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Checksum of the bytes in the file.
        found: u32,
        /// Checksum that the file records.
        expected: u32,
    },
    /// A tensor is missing.
    #[error("the tensor {name} is missing")]
    Missing {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has another shape or type than the model requires.
    #[error("the tensor {name} is {found}: expected {expected}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Required type and shape.
        expected: String,
    },
    /// The file has more tokens than the cache can hold.
    #[error("it holds {tokens} tokens: expected at most {capacity}")]
    Tokens {
        /// Number of tokens in the file.
        tokens: usize,
        /// Number of tokens that fit.
        capacity: usize,
    },
    /// The tensor library failed.
    #[error("tensor library: {}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
}

type Result<T> = std::result::Result<T, StoredError>;

/// A named tensor that is to be written to a file.
pub struct StoredTensor<'a> {
    name: String,
    shape: Vec<usize>,
    values: Values<'a>,
}

enum Values<'a> {
    Ids(&'a [u32]),
    /// The first `filled` entries of a contiguous tensor along `dim`.
    Floats {
        tensor: Tensor,
        dim: usize,
        filled: usize,
    },
}

impl<'a> StoredTensor<'a> {
    /// Integers, `[ids]`.
    pub(crate) fn ids(name: String, ids: &'a [u32]) -> Self {
        Self { name, shape: vec![ids.len()], values: Values::Ids(ids) }
    }

    /// The first `filled` entries of a tensor along `dim`.
    pub(crate) fn floats(name: String, tensor: &'a Tensor, dim: usize, filled: usize) -> Result<Self> {
        // Large tensors are contiguous already, and are not copied here.
        let tensor = tensor.contiguous()?;
        let mut shape = tensor.dims().to_vec();
        let filled = filled.min(shape[dim]);
        shape[dim] = filled;
        Ok(Self { name, shape, values: Values::Floats { tensor, dim, filled } })
    }

    fn info(&self, start: usize) -> TensorInfo {
        let dtype = match &self.values {
            Values::Ids(_) => Dtype::U32,
            Values::Floats { tensor, .. } => name_of(tensor.dtype()),
        };
        let bytes = self.shape.iter().product::<usize>() * dtype.bitsize() / 8;
        TensorInfo { dtype, shape: self.shape.clone(), data_offsets: (start, start + bytes) }
    }

    /// A tensor on the CPU is not copied, except into the bytes that are written. Tensors on a GPU are
    /// copied one at a time.
    fn write(&self, to: &mut Summed<'_>) -> Result<()> {
        match &self.values {
            Values::Ids(ids) => Ok(to.write_values(ids, |id| id.to_le_bytes())?),
            Values::Floats { tensor, dim, filled } => match tensor.device() {
                Device::Cpu => write_floats(to, tensor, Runs::of(tensor.dims(), *dim, *filled)),
                _ => {
                    let tensor = to_host(tensor, *dim, *filled)?;
                    write_floats(to, &tensor, Runs::of(tensor.dims(), *dim, *filled))
                }
            },
        }
    }
}

/// Copies the first `filled` entries of a tensor along `dim` to host memory.
fn to_host(tensor: &Tensor, dim: usize, filled: usize) -> Result<Tensor> {
    Ok(tensor.narrow(dim, 0, filled)?.force_contiguous()?.to_device(&Device::Cpu)?)
}

fn write_floats(to: &mut Summed<'_>, tensor: &Tensor, place: Runs) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    let start = layout.start_offset();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => {
            to.write_runs(&values[start..], place, |value| value.to_le_bytes())?;
        }
        Storage::Cpu(CpuStorage::BF16(values)) => {
            to.write_runs(&values[start..], place, |value| value.to_le_bytes())?;
        }
        Storage::Cpu(CpuStorage::F16(values)) => {
            to.write_runs(&values[start..], place, |value| value.to_le_bytes())?;
        }
        Storage::Cpu(CpuStorage::U8(values)) => to.write_runs(&values[start..], place, |value| [value])?,
        _ => return Err(candle_core::Error::msg("only f32, bf16, f16 and u8 are stored").into()),
    }
    Ok(())
}

fn name_of(dtype: DType) -> Dtype {
    match dtype {
        DType::BF16 => Dtype::BF16,
        DType::F16 => Dtype::F16,
        DType::U8 => Dtype::U8,
        _ => Dtype::F32,
    }
}

/// Layout of the written values: `runs` runs of `length` values, `stride` apart.
#[derive(Clone, Copy)]
struct Runs {
    runs: usize,
    length: usize,
    stride: usize,
}

impl Runs {
    /// The first `filled` entries along `dim` of a contiguous tensor.
    fn of(dims: &[usize], dim: usize, filled: usize) -> Self {
        let entry: usize = dims[dim + 1..].iter().product();
        Self { runs: dims[..dim].iter().product(), length: filled * entry, stride: dims[dim] * entry }
    }
}

/// A writer that computes the checksum of what it writes.
struct Summed<'w> {
    to: &'w mut dyn Write,
    sum: Hasher,
    buffer: Vec<u8>,
}

impl Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }

    fn write_runs<T: Copy, const BYTES: usize>(
        &mut self,
        values: &[T],
        Runs { runs, length, stride }: Runs,
        bytes_of: impl Fn(T) -> [u8; BYTES] + Copy,
    ) -> io::Result<()> {
        (0..runs).try_for_each(|run| {
            let start = run * stride;
            self.write_values(&values[start..start + length], bytes_of)
        })
    }

    fn write_values<T: Copy, const BYTES: usize>(
        &mut self,
        values: &[T],
        bytes_of: impl Fn(T) -> [u8; BYTES],
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        for some in values.chunks(VALUES_AT_A_TIME) {
            buffer.resize(some.len() * BYTES, 0);
            for (bytes, &value) in buffer.chunks_exact_mut(BYTES).zip(some) {
                bytes.copy_from_slice(&bytes_of(value));
            }
            self.write(&buffer)?;
        }
        self.buffer = buffer;
        Ok(())
    }
}

/// Writes `tensors` after `text`, which describes them.
///
/// # Errors
/// [`StoredError::Write`].
pub fn write_tensors(to: &mut dyn Write, text: &str, tensors: &[StoredTensor<'_>]) -> Result<()> {
    let mut end = 0;
    let mut infos: Vec<(String, TensorInfo)> = Vec::with_capacity(tensors.len() + 1);
    for tensor in tensors {
        let info = tensor.info(end);
        end = info.data_offsets.1;
        infos.push((tensor.name.clone(), info));
    }
    let data_offsets = (end, end + size_of::<u32>());
    infos.push((CHECKSUM.to_owned(), TensorInfo { dtype: Dtype::U32, shape: vec![1], data_offsets }));
    let text = HashMap::from([(TEXT.to_owned(), text.to_owned())]);
    let metadata = Metadata::new(Some(text), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata).map_err(io::Error::other)?;
    header.resize(header.len().next_multiple_of(HEADER_LENGTH_BYTES), b' ');
    let mut to = Summed { to, sum: Hasher::new(), buffer: Vec::new() };
    to.write(&(header.len() as u64).to_le_bytes())?;
    to.write(&header)?;
    tensors.iter().try_for_each(|tensor| tensor.write(&mut to))?;
    let sum = to.sum.finalize();
    Ok(to.to.write_all(&sum.to_le_bytes())?)
}

/// A file that [`write_tensors`] wrote, after its check.
pub struct StoredTensors {
    bytes: Vec<u8>,
    data_start: usize,
    metadata: Metadata,
}

impl std::fmt::Debug for StoredTensors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredTensors").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl StoredTensors {
    /// Whether a file with these first bytes is one of these files, intact or damaged.
    pub fn has_signature(head: &[u8]) -> bool {
        head.get(HEADER_LENGTH_BYTES..).is_some_and(|header| header.starts_with(SIGNATURE))
    }

    /// Number of bytes that [`Self::has_signature`] needs.
    pub const SIGNATURE_BYTES: usize = HEADER_LENGTH_BYTES + SIGNATURE.len();

    /// Parses and checks all bytes of a file.
    ///
    /// # Errors
    /// [`StoredError::Length`], [`StoredError::Foreign`], [`StoredError::Header`], [`StoredError::Checksum`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        if !Self::has_signature(&bytes) {
            let is_beginning = bytes.len() < Self::SIGNATURE_BYTES
                && SIGNATURE.starts_with(bytes.get(HEADER_LENGTH_BYTES..).unwrap_or_default());
            return Err(if is_beginning { StoredError::Length } else { StoredError::Foreign });
        }
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| match error {
            SafeTensorError::InvalidHeaderLength | SafeTensorError::MetadataIncompleteBuffer => {
                StoredError::Length
            }
            error => StoredError::Header { message: one_line(error) },
        })?;
        let (summed, sum) = bytes.split_at(bytes.len() - size_of::<u32>());
        let found = crc32fast::hash(summed);
        let expected = u32::from_le_bytes(sum.try_into().unwrap_or_default());
        if found != expected {
            return Err(StoredError::Checksum { found, expected });
        }
        let data_start = HEADER_LENGTH_BYTES + header;
        Ok(Self { bytes, data_start, metadata })
    }

    /// The text that describes the tensors.
    pub fn text(&self) -> &str {
        // A file with the signature has this key.
        self.metadata.metadata().as_ref().and_then(|texts| texts.get(TEXT)).map_or("", String::as_str)
    }

    /// The tensor `name`, if it has this shape and type.
    pub(crate) fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let (info, bytes) = self.find(name)?;
        let expected = name_of(dtype);
        if info.dtype != expected || info.shape != shape {
            return Err(unexpected(name, info, format!("{expected:?} {shape:?}")));
        }
        Ok(match expected {
            Dtype::BF16 => Tensor::from_vec(values(bytes, bf16::from_le_bytes), shape, device)?,
            Dtype::F16 => Tensor::from_vec(values(bytes, f16::from_le_bytes), shape, device)?,
            Dtype::U8 => Tensor::from_slice(bytes, shape, device)?,
            _ => Tensor::from_vec(values(bytes, f32::from_le_bytes), shape, device)?,
        })
    }

    /// The shape of the tensor `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.find(name)?.0.shape)
    }

    /// The integers of the one-dimensional tensor `name`.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<u32>> {
        let (info, bytes) = self.find(name)?;
        if info.dtype != Dtype::U32 || info.shape.len() != 1 {
            return Err(unexpected(name, info, "U32 of one dimension".to_owned()));
        }
        Ok(values(bytes, u32::from_le_bytes))
    }

    fn find(&self, name: &str) -> Result<(&TensorInfo, &[u8])> {
        let info = self.metadata.info(name).ok_or_else(|| StoredError::Missing { name: name.to_owned() })?;
        let (start, end) = info.data_offsets;
        // The parser has checked that all offsets lie within the file.
        let bytes = self.bytes.get(self.data_start + start..self.data_start + end).unwrap_or_default();
        Ok((info, bytes))
    }
}

fn values<T, const BYTES: usize>(bytes: &[u8], value_of: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|value| value_of(*value)).collect()
}

fn unexpected(name: &str, info: &TensorInfo, expected: String) -> StoredError {
    StoredError::Shape {
        name: name.to_owned(),
        found: format!("{:?} {:?}", info.dtype, info.shape),
        expected,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn written(tensor: &Tensor, place: Runs) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut to = Summed { to: &mut bytes, sum: Hasher::new(), buffer: Vec::new() };
        write_floats(&mut to, tensor, place).unwrap();
        bytes
    }

    #[test]
    fn what_is_copied_to_the_host_is_what_lies_there() {
        let numbers: Vec<f32> = (0..2 * 5 * 3).map(|number| number as f32).collect();
        for dtype in [DType::F32, DType::F16, DType::BF16, DType::U8] {
            // Two key heads with room for five slots, three of them filled; and one head, whose slots lie together.
            for heads in [2, 1] {
                let side =
                    Tensor::from_slice(&numbers[..heads * 15], (1, heads, 5, 3), &Device::Cpu).unwrap();
                let side = side.to_dtype(dtype).unwrap();
                let copied = to_host(&side, 2, 3).unwrap();
                assert_eq!(copied.dims(), [1, heads, 3, 3]);
                let in_place = written(&side, Runs::of(side.dims(), 2, 3));
                assert_eq!(written(&copied, Runs::of(copied.dims(), 2, 3)), in_place);
                assert_eq!(in_place.len(), heads * 9 * dtype.size_in_bytes());
            }
        }
    }
}
