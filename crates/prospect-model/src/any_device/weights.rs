//! Weights on the device, in the type to compute in.

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::placement::Compute;
use crate::weights::Weights;

/// A checkpoint's weights, and where they go.
pub(crate) struct OnDevice<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) compute: &'a Compute,
}

impl OnDevice<'_> {
    /// The tensor `name`.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let values = Tensor::from_vec(self.weights.values(name, shape)?, shape, &Device::Cpu)?;
        Ok(values.to_dtype(self.compute.dtype)?.to_device(&self.compute.device)?)
    }
}
