//! Number of parameters of a configuration.

use crate::config::ModelConfig;

impl ModelConfig {
    /// Number of parameters of the whole model. A tied head counts once.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}
