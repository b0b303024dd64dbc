//! The published sizes, by their config.json.

use std::path::Path;

use prospect_model::{ModelConfig, Precisions, SmolVlm};

use crate::error::RunError;

/// A size to be measured.
pub struct Shape {
    /// Its name.
    pub name: String,
    /// A model of these shapes.
    pub model: SmolVlm,
}

const PUBLISHED: [(&str, &str); 3] = [
    ("256m", include_str!("../../../../configs/shapes/256m.json")),
    ("500m", include_str!("../../../../configs/shapes/500m.json")),
    ("2.2b", include_str!("../../../../configs/shapes/2.2b.json")),
];

/// The published size of this name with random weights, computing in these precisions.
///
/// # Errors
/// [`RunError::Argument`] if there is none.
pub fn shape(name: &str, precisions: Precisions) -> Result<Shape, RunError> {
    let found = PUBLISHED.iter().find(|(published, _)| *published == name);
    let (name, text) = found.ok_or_else(|| RunError::Argument {
        argument: format!("--shape {name}"),
        problem: "is no published size".to_owned(),
        expected: format!("one of {}", PUBLISHED.map(|(name, _)| name).join(", ")),
    })?;
    let config = ModelConfig::parse(text, Path::new(name))?;
    Ok(Shape { name: (*name).to_owned(), model: SmolVlm::random(config, precisions)? })
}

#[cfg(test)]
mod tests {
    use prospect_model::FloatType;

    use super::*;

    #[test]
    fn the_published_sizes_are_what_they_are_called() {
        // Parameters in millions, frame tokens and bytes of keys and values a token in f32.
        for ((_, text), expected) in
            PUBLISHED.iter().zip([(256, 64, 46_080), (507, 64, 81_920), (2_246, 81, 393_216)])
        {
            let config = ModelConfig::parse(text, Path::new("config.json")).unwrap();
            let millions = config.parameters() / 1_000_000;
            assert_eq!(
                (millions, config.image_seq_len(), config.kv_bytes_per_token(FloatType::F32)),
                expected
            );
        }
        assert!(shape("1b", Precisions::EXACT).err().unwrap().to_string().contains("256m, 500m, 2.2b"));
    }
}
