//! How many parameters a configuration means.

use crate::config::ModelConfig;

impl ModelConfig {
    /// Parameters of the whole model; a tied head counts once.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}
