//! The published sizes, and the small model of the repository, with random weights.

use prospect_model::{ModelConfig, Placement, SmolVlm};

use crate::checkpoint::default_checkpoint;
use crate::error::RunError;
use crate::published::{self, SIZES};

/// A size to be measured.
pub struct Shape {
    /// Its name.
    pub name: String,
    /// A model of these shapes.
    pub model: SmolVlm,
}

/// The shapes of the small model of the repository, to try something in seconds.
const SMALL: &str = "small";

/// The size of this name with random weights.
///
/// # Errors
/// [`RunError::Argument`] if there is none.
pub fn shape(name: &str, placement: Placement) -> Result<Shape, RunError> {
    let config = match published::find(name) {
        Some(size) => size.config()?,
        None if name == SMALL => ModelConfig::from_dir(&default_checkpoint()?)?,
        None => {
            let names = SIZES.map(|size| size.name).join(", ");
            return Err(RunError::Argument {
                argument: format!("--shape {name}"),
                problem: "is no size".to_owned(),
                expected: format!("one of {names}, {SMALL}"),
            });
        }
    };
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
