//! CUDA graphs: work that is captured once and then launched as a whole for every token. One token
//! takes hundreds of kernel launches, and without a graph the host needs more time to issue them than
//! the GPU needs to run them.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, DriverError};
use candle_core::{Device, Error, Result, Tensor, TensorId};

use crate::driver::alone;
use crate::step::{Bounds, Step};

/// The captured work of one token. It serves every position of the stream.
pub struct Graph {
    graph: CudaGraph,
    step: TensorId,
    bounds: Bounds,
    /// The tensors whose addresses are in the graph. They must live as long as the graph.
    _kept: Vec<Tensor>,
}

// SAFETY: CUDA allows any thread to use a graph, one at a time. The graph is used only through
// `&mut self`.
#[allow(unsafe_code)]
unsafe impl Send for Graph {}

// SAFETY: as above; `&self` gives no access to the graph.
#[allow(unsafe_code)]
unsafe impl Sync for Graph {}

impl Graph {
    /// Captures the work that `work` issues to the step's device. Nothing is executed. `kept` must list
    /// all tensors that the work reads or writes and has not created itself; tensors that the work
    /// creates end with it. Run the same work once without a capture before, so that all kernels are
    /// loaded. No other thread may issue work to the same device during the capture, since that would
    /// be captured too.
    ///
    /// # Errors
    /// `work` fails, or contains an operation that cannot be captured, such as waiting for the device.
    pub fn capture(step: &Step, kept: Vec<Tensor>, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let Device::Cuda(device) = step.numbers().device() else {
            candle_core::bail!("a graph is captured on a GPU only")
        };
        let _alone = alone();
        let mut capture = Capture::begin(device.cuda_stream())?;
        let done = work();
        let graph = capture.end();
        done?;
        let Some(graph) = graph.map_err(Error::wrap)? else { candle_core::bail!("nothing was captured") };
        Ok(Self { graph, step: step.numbers().id(), bounds: step.bounds(), _kept: kept })
    }

    /// Runs the captured work for the present values of `step`.
    ///
    /// # Errors
    /// `step` is not the one of the capture, or lies beyond the tensors that the work reads; or the
    /// driver fails.
    pub fn launch(&mut self, step: &Step) -> Result<()> {
        if step.numbers().id() != self.step {
            candle_core::bail!("a graph serves the step that it was captured with")
        }
        step.check(self.bounds)?;
        self.graph.launch().map_err(Error::wrap)
    }
}

/// A CUDA stream in capture mode. The capture ends when this value is dropped.
struct Capture {
    stream: Arc<CudaStream>,
    ended: bool,
}

impl Capture {
    fn begin(stream: Arc<CudaStream>) -> Result<Self> {
        // Thread-local mode: other threads may go on using their own streams.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.begin_capture(mode).map_err(Error::wrap)?;
        Ok(Self { stream, ended: false })
    }

    fn end(&mut self) -> std::result::Result<Option<CudaGraph>, DriverError> {
        self.ended = true;
        // A failed capture can leave errors of freed memory behind. They are cleared first; otherwise
        // `end_capture` would return them without ending the capture.
        let _ = self.stream.context().check_err();
        self.stream.end_capture(CUgraphInstantiate_flags(0))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if !self.ended {
            // The work panicked, so its graph is discarded.
            let _ = self.end();
        }
    }
}
