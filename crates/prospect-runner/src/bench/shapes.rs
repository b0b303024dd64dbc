//! Models with random weights: the published sizes, and the small model of the repository.

use prospect_model::{ModelConfig, Placement, SmolVlm};

use crate::checkpoint::default_checkpoint;
use crate::error::RunError;
use crate::published::{self, SIZES};

/// A model to be measured.
pub struct Shape {
    /// Name of the size.
    pub name: String,
    /// The model.
    pub model: SmolVlm,
}

/// Name of the repository's small model, for quick measurements.
const SMALL: &str = "small";

/// The configuration of the size with this name.
///
/// # Errors
/// [`RunError::Argument`] if there is no such size.
pub fn shape_config(name: &str) -> Result<ModelConfig, RunError> {
    match published::find(name) {
        Some(size) => size.config(),
        None if name == SMALL => Ok(ModelConfig::from_dir(&default_checkpoint()?)?),
        None => {
            let names = SIZES.map(|size| size.name).join(", ");
            Err(RunError::Argument {
                argument: format!("--shape {name}"),
                problem: "is no size".to_owned(),
                expected: format!("one of {names}, {SMALL}"),
            })
        }
    }
}

/// A model of the size with this name, with random weights.
///
/// # Errors
/// As [`shape_config`], and what prevents a model in this placement.
pub fn shape(name: &str, placement: Placement) -> Result<Shape, RunError> {
    let config = shape_config(name)?;
    Ok(Shape { name: name.to_owned(), model: SmolVlm::random(config, placement)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_none_is_told_from_those_that_are() {
        assert!(
            shape("1b", Placement::default()).err().unwrap().to_string().contains("256m, 500m, 2.2b, small")
        );
    }
}
