//! Reads weights onto the device.

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::placement::Compute;
use crate::weights::Weights;

/// A checkpoint's weights and the device to which they go.
pub(crate) struct OnDevice<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) compute: &'a Compute,
}

impl OnDevice<'_> {
    /// The tensor `name` in the type of the computation.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let values = Tensor::from_vec(self.weights.values(name, shape)?, shape, &Device::Cpu)?;
        Ok(values.to_dtype(self.compute.dtype)?.to_device(&self.compute.device)?)
    }

    /// The tensor `name`, in f32.
    pub(super) fn get_wide(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.weights.values(name, shape)?, shape, &self.compute.device)?)
    }
}
