//! The published sizes with random weights.

use prospect_model::{Placement, SmolVlm};

use crate::error::RunError;
use crate::published::{self, SIZES};

/// A size to be measured.
pub struct Shape {
    /// Its name.
    pub name: String,
    /// A model of these shapes.
    pub model: SmolVlm,
}

/// The published size of this name with random weights.
///
/// # Errors
/// [`RunError::Argument`] if there is none.
pub fn shape(name: &str, placement: Placement) -> Result<Shape, RunError> {
    let size = published::find(name).ok_or_else(|| RunError::Argument {
        argument: format!("--shape {name}"),
        problem: "is no published size".to_owned(),
        expected: format!("one of {}", SIZES.map(|size| size.name).join(", ")),
    })?;
    Ok(Shape { name: size.name.to_owned(), model: SmolVlm::random(size.config()?, placement)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_not_published_is_told_from_those_that_are() {
        assert!(shape("1b", Placement::default()).err().unwrap().to_string().contains("256m, 500m, 2.2b"));
    }
}
