//! Names of the tensors in a checkpoint.

use std::borrow::Cow;

/// Other prefixes of tensor names, with the prefix of published checkpoints that they stand for.
/// `transformers` writes SmolVLM and Idefics3 with the same names. Other prefixes in use are:
const OTHER_BEGINNINGS: [(&str, &str); 7] = [
    // the model saved without its head (`SmolVLMModel`, `Idefics3Model`),
    ("text_model.", "model.text_model."),
    ("vision_model.", "model.vision_model."),
    ("connector.", "model.connector."),
    // and the names that training code used before the conversion for `transformers`.
    ("model.layers.", "model.text_model.layers."),
    ("model.norm.", "model.text_model.norm."),
    ("model.embed_tokens.", "model.text_model.embed_tokens."),
    ("model.modality_projection.", "model.connector.modality_projection."),
];

/// The published name of the tensor that a file calls `name`.
pub(crate) fn published(name: &str) -> Cow<'_, str> {
    let renamed = OTHER_BEGINNINGS.iter().find_map(|(other, published)| {
        let rest = name.strip_prefix(other)?;
        Some(Cow::Owned(format!("{published}{rest}")))
    });
    renamed.unwrap_or(Cow::Borrowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_stay_and_others_become_published_ones() {
        for name in [
            "lm_head.weight",
            "model.text_model.norm.weight",
            "model.vision_model.post_layernorm.bias",
            "model.connector.modality_projection.proj.weight",
            "embeddings.word_embeddings.weight",
        ] {
            assert_eq!(published(name), name);
        }
        let renamed = [
            ("text_model.layers.0.mlp.up_proj.weight", "model.text_model.layers.0.mlp.up_proj.weight"),
            ("model.layers.0.mlp.up_proj.weight", "model.text_model.layers.0.mlp.up_proj.weight"),
            ("model.modality_projection.proj.weight", "model.connector.modality_projection.proj.weight"),
        ];
        for (name, expected) in renamed {
            assert_eq!(published(name), expected);
        }
    }
}
