//! Gives code over buffers access to the values of tensors.

use candle_core::{CpuStorage, DType, Storage, Tensor};

use crate::error::Result;

/// Calls `read` with the memory of a contiguous f32 tensor on the CPU.
pub(crate) fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => read(&data[start..end]),
        _ => Err(candle_core::Error::msg("a contiguous tensor in f32 on the CPU was expected").into()),
    }
}

/// Copies the values of a tensor as f32, row-major.
pub(crate) fn to_floats(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}
