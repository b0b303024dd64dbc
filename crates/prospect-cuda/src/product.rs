//! A product whose sums are not rounded on their way out: f32 of bf16 or f16. candle rounds them to the type of the factors.

use std::ffi::c_void;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut, DeviceRepr};
use candle_core::{CpuStorage, CudaStorage, CustomOp2, DType, Error, Layout, Result, Shape, Tensor};
use half::{bf16, f16};

/// `x W^T` in f32, of `x` `[rows, inputs]` and `weight` `[outputs, inputs]` on one GPU, both bf16 or both f16, contiguous.
///
/// # Errors
/// Other types, shapes that do not fit each other, a failure of the driver.
pub fn wide_product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.apply_op2_no_bwd(weight, &WideProduct)
}

struct WideProduct;

impl WideProduct {
    fn run<T: CudaDType + DeviceRepr>(
        factors: [(&CudaStorage, &Layout); 2],
        kind: sys::cudaDataType,
    ) -> Result<(CudaStorage, Shape)> {
        let [(x, x_layout), (weight, weight_layout)] = factors;
        let ((rows, inputs), (outputs, weight_inputs)) =
            (x_layout.shape().dims2()?, weight_layout.shape().dims2()?);
        let contiguous = x_layout.is_contiguous() && weight_layout.is_contiguous();
        if inputs != weight_inputs || !contiguous || rows * inputs * outputs == 0 {
            candle_core::bail!(
                "a product of {x_layout:?} and {weight_layout:?}: expected contiguous rows of one length"
            )
        }
        let device = x.device();
        let stream = device.cuda_stream();
        // SAFETY: the product below writes all of it.
        #[allow(unsafe_code)]
        let mut output: CudaSlice<f32> = unsafe { device.alloc(rows * outputs)? };
        let x = x.as_cuda_slice::<T>()?.slice(x_layout.start_offset()..);
        let weight = weight.as_cuda_slice::<T>()?.slice(weight_layout.start_offset()..);
        {
            let (x, _x) = x.device_ptr(&stream);
            let (weight, _weight) = weight.device_ptr(&stream);
            let (output, _output) = output.device_ptr_mut(&stream);
            let (one, zero) = (1f32, 0f32);
            let pointer = |value: &f32| std::ptr::from_ref(value).cast::<c_void>();
            // cuBLAS counts columns first: what it takes for W^T x^T, of columns, is x W^T of rows.
            // SAFETY: the three matrices lie contiguous and have the sizes that are named; they live until the product is in the
            // stream, and memory is freed in its order. The library reads one and zero before it returns.
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
                    pointer(&zero),
                    output as *mut c_void,
                    sys::cudaDataType_t::CUDA_R_32F,
                    outputs as i32,
                    sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                    sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
                )
            }
            .map_err(Error::wrap)?;
        }
        Ok((CudaStorage::wrap_cuda_slice(output, device.clone()), Shape::from((rows, outputs))))
    }
}

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
        let factors = [(x, x_layout), (weight, weight_layout)];
        match x.dtype() {
            DType::BF16 => Self::run::<bf16>(factors, sys::cudaDataType_t::CUDA_R_16BF),
            DType::F16 => Self::run::<f16>(factors, sys::cudaDataType_t::CUDA_R_16F),
            other => candle_core::bail!("the wide product multiplies bf16 or f16, not {other:?}"),
        }
    }
}
