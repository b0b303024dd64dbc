//! The published sizes of SmolVLM2.

mod folder;
mod tokenizer;

use std::path::Path;

use prospect_model::ModelConfig;

use crate::error::RunError;

/// A published size.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Name of the size in this program.
    pub name: &'static str,
    /// Its id on the hub.
    pub hub_id: &'static str,
    /// The text of its config.json, without unused keys.
    pub(crate) config_json: &'static str,
}

/// All published sizes.
pub const SIZES: [Size; 3] = [
    Size {
        name: "256m",
        hub_id: "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        config_json: include_str!("../../../../configs/shapes/256m.json"),
    },
    Size {
        name: "500m",
        hub_id: "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        config_json: include_str!("../../../../configs/shapes/500m.json"),
    },
    Size {
        name: "2.2b",
        hub_id: "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        config_json: include_str!("../../../../configs/shapes/2.2b.json"),
    },
];

/// The size with this name.
pub fn find(name: &str) -> Option<Size> {
    SIZES.into_iter().find(|size| size.name == name)
}

impl Size {
    /// The model configuration.
    ///
    /// # Errors
    /// Only if this program was built from a damaged repository.
    pub fn config(&self) -> Result<ModelConfig, RunError> {
        Ok(ModelConfig::parse(self.config_json, Path::new(self.name))?)
    }
}

#[cfg(test)]
mod tests {
    use prospect_model::CacheType;

    use super::*;

    #[test]
    fn the_published_sizes_are_what_they_are_called() {
        // Parameters in millions, frame tokens and bytes of keys and values a token in f32.
        let expected = [(256, 64, 46_080), (507, 64, 81_920), (2_246, 81, 393_216)];
        for (size, expected) in SIZES.iter().zip(expected) {
            let config = size.config().unwrap();
            let millions = config.parameters() / 1_000_000;
            assert_eq!(
                (millions, config.image_seq_len(), config.kv_bytes_per_token(CacheType::F32)),
                expected
            );
        }
        assert!(find("1b").is_none());
    }
}
