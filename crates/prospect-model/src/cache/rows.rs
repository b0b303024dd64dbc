//! Conversion between rows of the cache and floats.

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

use crate::attention::int8;
use crate::error::Result;
use crate::lend::with_floats;

/// Converts rows of any cache format to f32 `[.., head_dim]`: floats, or int8 with their scale,
/// `[.., head_dim + int8::SCALE]`.
pub(crate) fn rows_to_floats(rows: &Tensor) -> Result<Tensor> {
    if rows.dtype() != DType::U8 {
        return Ok(rows.contiguous()?.to_dtype(DType::F32)?);
    }
    let (rows, mut shape) = (rows.contiguous()?, rows.dims().to_vec());
    let width = shape.pop().unwrap_or_default();
    let head_dim = width - int8::SCALE;
    shape.push(head_dim);
    let (storage, layout) = rows.storage_and_layout();
    let Storage::Cpu(CpuStorage::U8(bytes)) = &*storage else {
        return Err(candle_core::Error::msg("int8 rows are kept on the CPU").into());
    };
    let mut floats = vec![0.0; shape.iter().product()];
    let from = bytes[layout.start_offset()..].chunks_exact(width);
    floats.chunks_exact_mut(head_dim).zip(from).for_each(|(to, from)| int8::dequantise(from, to));
    Ok(Tensor::from_vec(floats, shape, &Device::Cpu)?)
}

/// Converts floats `[.., head_dim]`, contiguous, to rows of this cache type.
pub(crate) fn floats_to_rows(floats: &Tensor, dtype: DType) -> Result<Tensor> {
    if dtype != DType::U8 {
        return Ok(floats.to_dtype(dtype)?);
    }
    let mut shape = floats.dims().to_vec();
    let head_dim = shape.pop().unwrap_or_default();
    shape.push(int8::row_bytes(head_dim));
    let mut bytes = vec![0; shape.iter().product()];
    with_floats(floats, |floats| {
        let to = bytes.chunks_exact_mut(int8::row_bytes(head_dim));
        floats.chunks_exact(head_dim).zip(to).for_each(|(from, to)| int8::quantise(from, to));
        Ok(())
    })?;
    Ok(Tensor::from_vec(bytes, shape, &Device::Cpu)?)
}
