//! Measures how fast a model's device copies and multiplies, which gives lower bounds for the time of a
//! pass.

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::linear::{PackedLinear, Precision};
use crate::smolvlm::SmolVlm;

/// Larger than any cache of a GPU.
const COPIED_BYTES: usize = 1 << 30;
/// Number of runs. The fastest counts, since others may have been disturbed.
const RUNS: usize = 5;
/// Side of the matrices of the product on a GPU.
const GPU_SIDE: usize = 8192;
/// Side of the matrices on a CPU, which would need seconds for larger ones.
const CPU_SIDE: usize = 1024;

impl SmolVlm {
    /// Bytes per second that the GPU reads and writes, in sum, during a copy; `None` on the CPU.
    ///
    /// # Errors
    /// Those of the device.
    pub fn copy_rate(&self) -> Result<Option<f64>> {
        let compute = self.compute();
        if matches!(compute.device, Device::Cpu) {
            return Ok(None);
        }
        let count = COPIED_BYTES / compute.dtype.size_in_bytes();
        let source = Tensor::zeros(count, compute.dtype, &compute.device)?;
        let seconds = self.fastest(|| source.copy().map(drop).map_err(Into::into))?;
        Ok(Some(2.0 * COPIED_BYTES as f64 / seconds))
    }

    /// Operations per second of a large matrix product in the model's type. A multiplication and an
    /// addition count as two.
    ///
    /// # Errors
    /// Those of the device.
    pub fn product_rate(&self) -> Result<f64> {
        let compute = self.compute();
        if compute.over_buffers() {
            return cpu_product_rate(compute.placement.precisions.vision);
        }
        let side = if matches!(compute.device, Device::Cpu) { CPU_SIDE } else { GPU_SIDE };
        let matrix = Tensor::ones((side, side), compute.dtype, &compute.device)?;
        let seconds = self.fastest(|| matrix.matmul(&matrix).map(drop).map_err(Into::into))?;
        Ok(2.0 * (side as f64).powi(3) / seconds)
    }

    /// Seconds of the fastest of [`RUNS`] runs on the device.
    fn fastest(&self, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
        fastest(|| {
            self.synchronize()?;
            let started = Instant::now();
            run()?;
            self.synchronize()?;
            Ok(started.elapsed())
        })
    }
}

/// Operations per second of a large product of a linear layer in this precision on the CPU. A
/// multiplication and an addition count as two. It takes about 0.2 s and needs no model.
///
/// # Errors
/// Those of the layer.
pub fn cpu_product_rate(precision: Precision) -> Result<f64> {
    let matrix = vec![1.0; CPU_SIDE * CPU_SIDE];
    let layer = PackedLinear::new(precision, &matrix, None, CPU_SIDE)?;
    let mut output = vec![0.0; CPU_SIDE * CPU_SIDE];
    let seconds = fastest(|| {
        let started = Instant::now();
        layer.forward_into(&matrix, CPU_SIDE, &mut output)?;
        Ok(started.elapsed())
    })?;
    Ok(2.0 * (CPU_SIDE as f64).powi(3) / seconds)
}

/// Seconds of the fastest of [`RUNS`] runs, after one run for warming up.
fn fastest(mut run: impl FnMut() -> Result<Duration>) -> Result<f64> {
    run()?;
    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        fastest = fastest.min(run()?.as_secs_f64());
    }
    Ok(fastest)
}
