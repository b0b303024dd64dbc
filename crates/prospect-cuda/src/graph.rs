//! Work that is captured once and launched again as one thing: what a token takes is hundreds of launches, which the host needs more
//! time to ask for than the GPU to do.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, DriverError};
use candle_core::{Device, Error, Result, Tensor, TensorId};

use crate::driver::alone;
use crate::step::{Bounds, Step};

/// Work of one token, wherever in the stream the token stands.
pub struct Graph {
    graph: CudaGraph,
    step: TensorId,
    bounds: Bounds,
    /// The graph names them by their addresses.
    _kept: Vec<Tensor>,
}

// SAFETY: CUDA lets any thread use a graph, one at a time; it is only used through `&mut self`.
#[allow(unsafe_code)]
unsafe impl Send for Graph {}

// SAFETY: as above; nothing can be done to it through `&self`.
#[allow(unsafe_code)]
unsafe impl Sync for Graph {}

impl Graph {
    /// Captures what `work` asks the step's device for; nothing of it is done. `kept` are all tensors that it reads or writes and has
    /// not made; what it makes ends with it. It has been done before without being captured, so that all kernels are loaded. No other
    /// thread asks the same device for anything meanwhile: that would be captured as well.
    ///
    /// # Errors
    /// Those of `work`; work that cannot be captured, such as waiting for the device.
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

    /// Does the work for the step as it is now.
    ///
    /// # Errors
    /// Another step than the one it was captured with, or one beyond what the work reads; a failure of the driver.
    pub fn launch(&mut self, step: &Step) -> Result<()> {
        if step.numbers().id() != self.step {
            candle_core::bail!("a graph serves the step that it was captured with")
        }
        step.check(self.bounds)?;
        self.graph.launch().map_err(Error::wrap)
    }
}

/// A stream that is captured, for as long as this lives: it does nothing else.
struct Capture {
    stream: Arc<CudaStream>,
    ended: bool,
}

impl Capture {
    fn begin(stream: Arc<CudaStream>) -> Result<Self> {
        // Other threads go on with their streams.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.begin_capture(mode).map_err(Error::wrap)?;
        Ok(Self { stream, ended: false })
    }

    fn end(&mut self) -> std::result::Result<Option<CudaGraph>, DriverError> {
        self.ended = true;
        // What memory that was freed in a capture gone wrong has left behind would be reported first, and nothing ended.
        let _ = self.stream.context().check_err();
        self.stream.end_capture(CUgraphInstantiate_flags(0))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if !self.ended {
            // The work panicked: what came of it is nobody's.
            let _ = self.end();
        }
    }
}
