//! Values of tensors for code over buffers: lent where they lie, or copied.

use candle_core::{CpuStorage, DType, Storage, Tensor};

use crate::error::Result;

/// Lends the memory of a contiguous tensor.
pub(crate) fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => read(&data[start..end]),
        _ => Err(candle_core::Error::msg("a contiguous tensor in f32 on the CPU was expected").into()),
    }
}

/// The values of a tensor, row-major.
pub(crate) fn to_floats(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}
