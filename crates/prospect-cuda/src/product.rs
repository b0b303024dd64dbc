//! Matrix products of bf16 or f16 factors with results in f32. candle rounds the results to the type of
//! the factors.

use std::ffi::c_void;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut, DeviceRepr};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, DType, Error, InplaceOp3, Layout, Result, Shape, Tensor,
};
use half::{bf16, f16};

/// `x W^T` in f32. `x` is `[rows, inputs]` and `weight` is `[outputs, inputs]`, both bf16 or both f16,
/// contiguous and on one GPU.
///
/// # Errors
/// Other types, shapes that do not match, or a failure of the driver.
pub fn wide_product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.apply_op2_no_bwd(weight, &WideProduct)
}

/// Adds `x W^T`, computed as by [`wide_product`], in place to `sums`, a contiguous f32 tensor
/// `[rows, outputs]`.
///
/// # Errors
/// As [`wide_product`].
pub fn add_product(sums: &Tensor, x: &Tensor, weight: &Tensor) -> Result<()> {
    sums.inplace_op3(x, weight, &AddProduct)
}

/// The factors of a product and its sizes.
struct Factors<'a> {
    x: (&'a CudaStorage, &'a Layout),
    weight: (&'a CudaStorage, &'a Layout),
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl<'a> Factors<'a> {
    fn new(x: (&'a CudaStorage, &'a Layout), weight: (&'a CudaStorage, &'a Layout)) -> Result<Self> {
        let ((rows, inputs), (outputs, weight_inputs)) = (x.1.shape().dims2()?, weight.1.shape().dims2()?);
        let contiguous = x.1.is_contiguous() && weight.1.is_contiguous();
        if inputs != weight_inputs || !contiguous || rows * inputs * outputs == 0 {
            candle_core::bail!(
                "a product of {:?} and {:?}: expected contiguous rows of one length",
                x.1,
                weight.1
            )
        }
        Ok(Self { x, weight, rows, inputs, outputs })
    }

    /// Writes the product, `rows * outputs` values, to `output` from `start` on:
    /// `output = product + share * output`.
    fn write(&self, share: f32, output: &mut CudaSlice<f32>, start: usize) -> Result<()> {
        match self.x.0.dtype() {
            DType::BF16 => self.write_of::<bf16>(sys::cudaDataType_t::CUDA_R_16BF, share, output, start),
            DType::F16 => self.write_of::<f16>(sys::cudaDataType_t::CUDA_R_16F, share, output, start),
            other => candle_core::bail!("the wide product multiplies bf16 or f16, not {other:?}"),
        }
    }

    fn write_of<T: CudaDType + DeviceRepr>(
        &self,
        kind: sys::cudaDataType,
        share: f32,
        output: &mut CudaSlice<f32>,
        start: usize,
    ) -> Result<()> {
        let Self { x, weight, rows, inputs, outputs } = *self;
        let device = x.0.device();
        let stream = device.cuda_stream();
        let x = x.0.as_cuda_slice::<T>()?.slice(x.1.start_offset()..);
        let weight = weight.0.as_cuda_slice::<T>()?.slice(weight.1.start_offset()..);
        let mut output = output.slice_mut(start..start + rows * outputs);
        let (x, _x) = x.device_ptr(&stream);
        let (weight, _weight) = weight.device_ptr(&stream);
        let (output, _output) = output.device_ptr_mut(&stream);
        let one = 1f32;
        let pointer = |value: &f32| std::ptr::from_ref(value).cast::<c_void>();
        // cuBLAS is column-major: its W^T x^T in columns is our x W^T in rows.
        // SAFETY: the three matrices are contiguous and have the sizes that are passed. They live until the
        // product is in the stream, and memory is freed in the stream's order. The library reads `one` and
        // `share` before it returns.
        #[allow(unsafe_code)]
        unsafe {
            result::gemm_ex(
                *device.cublas_handle().handle(),
                sys::cublasOperation_t::CUBLAS_OP_T,
                sys::cublasOperation_t::CUBLAS_OP_N,
                outputs as i32,
                rows as i32,
                inputs as i32,
                pointer(&one),
                weight as *const c_void,
                kind,
                inputs as i32,
                x as *const c_void,
                kind,
                inputs as i32,
                pointer(&share),
                output as *mut c_void,
                sys::cudaDataType_t::CUDA_R_32F,
                outputs as i32,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
            )
        }
        .map_err(Error::wrap)
    }
}

struct WideProduct;

impl CustomOp2 for WideProduct {
    fn name(&self) -> &'static str {
        "wide-product"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        candle_core::bail!("the wide product is computed on a GPU only")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let factors = Factors::new((x, x_layout), (weight, weight_layout))?;
        let (rows, outputs) = (factors.rows, factors.outputs);
        // SAFETY: the product writes all of it, and reads none of it because `share` is 0.
        #[allow(unsafe_code)]
        let mut output: CudaSlice<f32> = unsafe { x.device().alloc(rows * outputs)? };
        factors.write(0.0, &mut output, 0)?;
        Ok((CudaStorage::wrap_cuda_slice(output, x.device().clone()), Shape::from((rows, outputs))))
    }
}

struct AddProduct;

impl InplaceOp3 for AddProduct {
    fn name(&self) -> &'static str {
        "add-product"
    }

    fn cpu_fwd(
        &self,
        _: &mut CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<()> {
        candle_core::bail!("the wide product is computed on a GPU only")
    }

    fn cuda_fwd(
        &self,
        sums: &mut CudaStorage,
        layout: &Layout,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<()> {
        let factors = Factors::new((x, x_layout), (weight, weight_layout))?;
        let fits = layout.is_contiguous() && layout.dims() == [factors.rows, factors.outputs];
        if !fits {
            candle_core::bail!(
                "a product of {} x {} added to {layout:?}: expected as many, contiguous",
                factors.rows,
                factors.outputs
            )
        }
        factors.write(1.0, sums.as_cuda_slice_mut::<f32>()?, layout.start_offset())
    }
}
