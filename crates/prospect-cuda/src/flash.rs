//! Flash attention as a candle operation. The kernels read queries, keys and values by their strides: a
//! KV cache is read in place and only as far as it is filled.

use std::ffi::{c_int, c_void};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::sys::CUdevice_attribute;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut, DeviceRepr};
use candle_core::cuda_backend::{CudaDType, CudaDevice};
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Error, Layout, Result, Shape, Tensor};
use half::{bf16, f16};

use crate::plan::{Plan, View};
use crate::step::{Bounds, Step};

/// Whether [`attend`] has a kernel for this head size and type.
pub fn supports(head_dim: usize, dtype: DType) -> bool {
    let stock = cfg!(feature = "flash-attn-stock") && head_dim <= 256;
    let compiled = head_dim == 64 || (head_dim > 64 && head_dim < 96);
    is_half(dtype) && head_dim.is_multiple_of(8) && (compiled || stock)
}

/// Whether [`attend_cache`] has a kernel for this head size and type.
pub fn supports_cache(head_dim: usize, dtype: DType) -> bool {
    let stock = cfg!(feature = "flash-attn-stock") && head_dim <= 256 && head_dim.is_multiple_of(8);
    is_half(dtype) && (head_dim == 64 || stock)
}

/// Whether [`attend_step`] has a kernel for this head size and type.
pub fn supports_step(head_dim: usize, dtype: DType) -> bool {
    is_half(dtype) && head_dim == 64
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// Full attention: every token sees every token. Queries, keys and values are
/// `[batch, tokens, heads, head_dim]` with any strides except that the features of a row are
/// contiguous. Returns a contiguous tensor of the same shape.
///
/// # Errors
/// There is no kernel for the shape ([`supports`]), the shapes do not match, or the driver fails.
pub fn attend(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let head_dim = queries.dim(3)?;
    if head_dim != 64 && !(head_dim > 64 && head_dim < 96) {
        return stock(queries, keys, values, false);
    }
    queries.apply_op3_no_bwd(keys, values, &Flash { over_cache: false, step: None })
}

/// Causal attention over a KV cache. Queries are `[1, tokens, heads, head_dim]`. Keys and values are
/// `[1, slots, kv_heads, head_dim]`, and their last `tokens` slots belong to the queries' own tokens.
/// Any strides are allowed except that the features of a row are contiguous. Returns a contiguous
/// tensor of the queries' shape.
///
/// # Errors
/// There is no kernel for the shape ([`supports_cache`]), the shapes do not match, or the driver fails.
pub fn attend_cache(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    if queries.dim(3)? != 64 {
        return stock(queries, keys, values, true);
    }
    queries.apply_op3_no_bwd(keys, values, &Flash { over_cache: true, step: None })
}

/// As [`attend_cache`] for one token, whose slot is read from `step` on the device. A captured launch
/// can therefore be repeated for later tokens. Keys and values must reach as far as the last of these
/// tokens; each launch reads them up to the step's slot.
///
/// # Errors
/// As [`attend_cache`]; the step lies beyond the keys.
pub fn attend_step(queries: &Tensor, keys: &Tensor, values: &Tensor, step: &Step) -> Result<Tensor> {
    if queries.dim(1)? != 1 || queries.dim(3)? != 64 {
        candle_core::bail!("a step is one token with heads of 64, not {:?}", queries.dims())
    }
    step.stay_below(Bounds { slot: keys.dim(1)?, ..Bounds::NONE }, 1)?;
    queries.apply_op3_no_bwd(keys, values, &Flash { over_cache: true, step: Some(step) })
}

#[cfg(feature = "flash-attn-stock")]
fn stock(queries: &Tensor, keys: &Tensor, values: &Tensor, causal: bool) -> Result<Tensor> {
    let scale = (queries.dim(3)? as f32).powf(-0.5);
    candle_flash_attn::flash_attn(queries, keys, values, scale, causal)
}

#[cfg(not(feature = "flash-attn-stock"))]
fn stock(queries: &Tensor, _: &Tensor, _: &Tensor, _: bool) -> Result<Tensor> {
    candle_core::bail!(
        "flash attention is compiled for heads of 64, not of {}: expected the feature flash-attn-stock",
        queries.dim(3)?
    )
}

/// Same layout as `ProspectFlashArguments` in kernels/flash.cuh.
#[repr(C)]
struct Arguments {
    pointers: [*mut c_void; 4],
    sums: [*mut f32; 3],
    slots_on_device: *const u32,
    stream: *mut c_void,
    strides: [[i64; 3]; 4],
    batch: i32,
    heads: i32,
    kv_heads: i32,
    head_dim: i32,
    tokens: i32,
    slots: i32,
    causal: i32,
    cached: i32,
    splits: i32,
    scale: f32,
}

const _: () = assert!(size_of::<Arguments>() == 208, "as many bytes as in kernels/flash.cuh");

#[allow(unsafe_code)]
unsafe extern "C" {
    fn prospect_flash_bf16(arguments: *const Arguments) -> c_int;
    fn prospect_flash_f16(arguments: *const Arguments) -> c_int;
}

struct Flash<'a> {
    over_cache: bool,
    /// The step from which the kernel reads the number of slots.
    step: Option<&'a Step>,
}

impl Flash<'_> {
    fn run<T: CudaDType + DeviceRepr>(
        &self,
        inputs: [(&CudaStorage, &Layout); 3],
        function: unsafe extern "C" fn(*const Arguments) -> c_int,
    ) -> Result<(CudaStorage, Shape)> {
        let [(queries, query_layout), (keys, key_layout), (values, value_layout)] = inputs;
        let device = queries.device();
        let stream = device.cuda_stream();
        let layouts = [query_layout, key_layout, value_layout];
        let views = layouts.map(|layout| View { dims: layout.dims(), strides: layout.stride() });
        let Some(plan) = Plan::new(self.over_cache, views) else {
            candle_core::bail!(
                "flash attention of {layouts:?}: expected shapes that fit each other, with the features of a row side by side"
            )
        };
        let splits = if self.over_cache { plan.splits(processors(device)?) } else { 1 };
        let shape = query_layout.shape().clone();

        // The kernel writes the sums in blocks and the outputs in whole vectors.
        let rows = (plan.batch * plan.heads * plan.tokens).next_multiple_of(8);
        let partial = if splits > 1 { splits * rows * (1 + plan.head_dim) } else { 0 };
        // SAFETY: the kernels launched below write both before they read them, or never read them.
        #[allow(unsafe_code)]
        let (mut output, mut sums): (CudaSlice<T>, CudaSlice<f32>) =
            unsafe { (device.alloc(shape.elem_count())?, device.alloc(rows + partial)?) };

        let queries = queries.as_cuda_slice::<T>()?.slice(query_layout.start_offset()..);
        let keys = keys.as_cuda_slice::<T>()?.slice(key_layout.start_offset()..);
        let values = values.as_cuda_slice::<T>()?.slice(value_layout.start_offset()..);
        let status = {
            let (queries, _queries) = queries.device_ptr(&stream);
            let (keys, _keys) = keys.device_ptr(&stream);
            let (values, _values) = values.device_ptr(&stream);
            let (output, _output) = output.device_ptr_mut(&stream);
            let (sums, _sums) = sums.device_ptr_mut(&stream);
            let sums = sums as *mut f32;
            let strides = [plan.queries, plan.keys, plan.values, plan.output];
            let arguments = Arguments {
                pointers: [queries, keys, values, output].map(|address| address as *mut c_void),
                // `wrapping_add` computes an address without reading memory.
                sums: [sums, sums.wrapping_add(rows), sums.wrapping_add(rows + splits * rows)],
                slots_on_device: self.step.map_or(Ok(std::ptr::null()), Step::slots)?,
                stream: stream.cu_stream().cast(),
                strides: strides.map(|strides| strides.map(|stride| stride as i64)),
                batch: plan.batch as i32,
                heads: plan.heads as i32,
                kv_heads: plan.kv_heads as i32,
                head_dim: plan.head_dim as i32,
                tokens: plan.tokens as i32,
                slots: plan.slots as i32,
                causal: i32::from(plan.causal),
                cached: i32::from(self.over_cache),
                splits: splits as i32,
                scale: (plan.head_dim as f32).powf(-0.5),
            };
            // SAFETY: shapes and strides belong to tensors that live until the kernels are in the
            // stream, and memory is freed in the order of the same stream. The kernels read only rows
            // below `tokens` and `slots` and features below `head_dim`; the slot count on the device is
            // no larger than `slots`. They write only the output and the sums, whose sizes are computed
            // above.
            #[allow(unsafe_code)]
            unsafe {
                function(&arguments)
            }
        };
        if status != 0 {
            return Err(Error::msg(format!("flash attention: CUDA error {status}")));
        }
        Ok((CudaStorage::wrap_cuda_slice(output, device.clone()), shape))
    }
}

fn processors(device: &CudaDevice) -> Result<usize> {
    let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
    let count = device.cuda_stream().context().attribute(attribute).map_err(Error::wrap)?;
    Ok(count.max(1) as usize)
}

impl CustomOp3 for Flash<'_> {
    fn name(&self) -> &'static str {
        "flash-attention"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        candle_core::bail!("flash attention is computed on a GPU only")
    }

    fn cuda_fwd(
        &self,
        queries: &CudaStorage,
        query_layout: &Layout,
        keys: &CudaStorage,
        key_layout: &Layout,
        values: &CudaStorage,
        value_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let inputs = [(queries, query_layout), (keys, key_layout), (values, value_layout)];
        match queries.dtype() {
            DType::BF16 => self.run::<bf16>(inputs, prospect_flash_bf16),
            DType::F16 => self.run::<f16>(inputs, prospect_flash_f16),
            other => candle_core::bail!("flash attention computes in bf16 and f16, not in {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compiled_is_offered() {
        assert!(supports(64, DType::BF16) && supports(72, DType::F16) && supports_cache(64, DType::F16));
        assert!(!supports(64, DType::F32) && !supports_cache(64, DType::F32));
        assert!(!supports(68, DType::F16));
        if cfg!(not(feature = "flash-attn-stock")) {
            assert!(!supports(32, DType::BF16) && !supports_cache(72, DType::BF16));
        }
    }
}
