//! Names of a SmolVLM's tensors in llama.cpp.

/// The file of the pair that contains a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Text,
    Projector,
}

/// Tensors whose rows llama.cpp stores in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotary {
    Queries,
    Keys,
}

/// A tensor's file and name, and whether its rows must be reordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorName {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) rotary: Option<Rotary>,
}

const DECODER_LAYERS: &str = "model.text_model.layers.";
const VISION_LAYERS: &str = "model.vision_model.encoder.layers.";

/// Published names of all tensors outside of layers, with their names in llama.cpp.
const OUTSIDE: [(&str, Part, &str); 7] = [
    ("model.text_model.embed_tokens", Part::Text, "token_embd"),
    ("model.text_model.norm", Part::Text, "output_norm"),
    ("lm_head", Part::Text, "output"),
    ("model.vision_model.embeddings.patch_embedding", Part::Projector, "v.patch_embd"),
    ("model.vision_model.embeddings.position_embedding", Part::Projector, "v.position_embd"),
    ("model.vision_model.post_layernorm", Part::Projector, "v.post_ln"),
    ("model.connector.modality_projection.proj", Part::Projector, "mm.model.fc"),
];
/// The same within a decoder layer,
const IN_DECODER: [(&str, &str); 9] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];
/// and within a layer of the vision tower.
const IN_VISION: [(&str, &str); 8] = [
    ("layer_norm1", "ln1"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.out_proj", "attn_out"),
    ("layer_norm2", "ln2"),
    (WIDENING, "ffn_up"),
    (NARROWING, "ffn_down"),
];

/// The first and the second layer of an MLP in the vision tower.
const WIDENING: &str = "mlp.fc1";
const NARROWING: &str = "mlp.fc2";

/// llama.cpp's name for the tensor with the published name `published`. Converters of early 2025 called
/// the first layer of a vision MLP `ffn_down` and the second `ffn_up`; for such files `mlp_is_swapped`
/// is true.
pub(super) fn tensor_name(published: &str, mlp_is_swapped: bool) -> Option<TensorName> {
    let (module, kind) = published.rsplit_once('.')?;
    let plain = |part, name: String| TensorName { part, name: format!("{name}.{kind}"), rotary: None };
    if let Some((_, part, name)) = OUTSIDE.iter().find(|(published, _, _)| *published == module) {
        return Some(plain(*part, (*name).to_owned()));
    }
    if let Some(rest) = module.strip_prefix(DECODER_LAYERS) {
        let (layer, module) = rest.split_once('.')?;
        let rotary = match module {
            "self_attn.q_proj" => Some(Rotary::Queries),
            "self_attn.k_proj" => Some(Rotary::Keys),
            _ => None,
        };
        let name = format!("blk.{layer}.{}", in_layer(&IN_DECODER, module)?);
        return Some(TensorName { rotary, ..plain(Part::Text, name) });
    }
    let (layer, module) = module.strip_prefix(VISION_LAYERS)?.split_once('.')?;
    let module = match module {
        WIDENING if mlp_is_swapped => NARROWING,
        NARROWING if mlp_is_swapped => WIDENING,
        other => other,
    };
    Some(plain(Part::Projector, format!("v.blk.{layer}.{}", in_layer(&IN_VISION, module)?)))
}

fn in_layer(names: &[(&str, &'static str)], module: &str) -> Option<&'static str> {
    names.iter().find(|(published, _)| *published == module).map(|(_, name)| *name)
}

/// Puts rows of queries or keys into the published order. llama.cpp rotates pairs of neighbouring
/// features of a head; in published weights the second feature of a pair lies half a head later.
/// llama.cpp's converter permutes the rows of every head accordingly.
pub(super) fn in_published_order(rows: &[f32], heads: usize, head_dim: usize) -> Vec<f32> {
    let width = rows.len() / (heads * head_dim).max(1);
    let half = head_dim / 2;
    let mut ordered = Vec::with_capacity(rows.len());
    for head in rows.chunks_exact((head_dim * width).max(1)) {
        for second in 0..2 {
            for pair in 0..half {
                ordered.extend_from_slice(&head[(2 * pair + second) * width..][..width]);
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_converter() {
        let name = |published| tensor_name(published, false).map(|tensor| (tensor.part, tensor.name));
        for (published, part, expected) in [
            ("model.text_model.embed_tokens.weight", Part::Text, "token_embd.weight"),
            ("lm_head.weight", Part::Text, "output.weight"),
            ("model.text_model.layers.11.mlp.down_proj.weight", Part::Text, "blk.11.ffn_down.weight"),
            ("model.vision_model.post_layernorm.bias", Part::Projector, "v.post_ln.bias"),
            ("model.vision_model.encoder.layers.3.mlp.fc1.bias", Part::Projector, "v.blk.3.ffn_up.bias"),
            ("model.connector.modality_projection.proj.weight", Part::Projector, "mm.model.fc.weight"),
        ] {
            assert_eq!(name(published), Some((part, expected.to_owned())), "{published}");
        }
        let swapped = tensor_name("model.vision_model.encoder.layers.3.mlp.fc1.bias", true).unwrap();
        assert_eq!(swapped.name, "v.blk.3.ffn_down.bias");
        assert_eq!(name("model.text_model.layers.0.self_attn.q_norm.weight"), None);
    }

    #[test]
    fn rows_come_back_in_their_order() {
        // Two heads of four features, two values a row; each row is its number twice.
        let published: Vec<f32> = (0..8).flat_map(|row| [row as f32; 2]).collect();
        let converted: Vec<f32> = [0, 2, 1, 3, 4, 6, 5, 7].iter().flat_map(|row| [*row as f32; 2]).collect();
        assert_eq!(in_published_order(&converted, 2, 4), published);
    }
}
