//! The tensors of a configuration, by the names of published checkpoints.

use crate::config::ModelConfig;

const VISION: &str = "model.vision_model";
const CONNECTOR: &str = "model.connector";
const TEXT: &str = "model.text_model";

/// Names and shapes in the order of the computation.
#[derive(Default)]
struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn add(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.0.push((name.into(), shape.to_vec()));
    }

    fn linear(&mut self, name: &str, output: usize, input: usize) {
        self.add(format!("{name}.weight"), &[output, input]);
    }

    fn with_bias(&mut self, name: &str, shape: &[usize]) {
        self.add(format!("{name}.weight"), shape);
        self.add(format!("{name}.bias"), &shape[..1]);
    }
}

impl ModelConfig {
    /// Names and shapes of all tensors. A tied head has no tensor of its own.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = List::default();
        self.vision_tensors(&mut list);
        let (vision, text) = (self.vision_config.hidden_size, self.text_config.hidden_size);
        let block = vision * self.scale_factor.pow(2);
        list.linear(&format!("{CONNECTOR}.modality_projection.proj"), text, block);
        self.text_tensors(&mut list);
        list.0
    }

    fn vision_tensors(&self, list: &mut List) {
        let vision = &self.vision_config;
        let (hidden, inner, patch) = (vision.hidden_size, vision.intermediate_size, vision.patch_size);
        list.with_bias(&format!("{VISION}.embeddings.patch_embedding"), &[hidden, 3, patch, patch]);
        let positions = vision.patches_per_side().pow(2);
        list.linear(&format!("{VISION}.embeddings.position_embedding"), positions, hidden);
        for layer in 0..vision.num_hidden_layers {
            let name = format!("{VISION}.encoder.layers.{layer}");
            list.with_bias(&format!("{name}.layer_norm1"), &[hidden]);
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                list.with_bias(&format!("{name}.self_attn.{part}"), &[hidden, hidden]);
            }
            list.with_bias(&format!("{name}.layer_norm2"), &[hidden]);
            list.with_bias(&format!("{name}.mlp.fc1"), &[inner, hidden]);
            list.with_bias(&format!("{name}.mlp.fc2"), &[hidden, inner]);
        }
        list.with_bias(&format!("{VISION}.post_layernorm"), &[hidden]);
    }

    fn text_tensors(&self, list: &mut List) {
        let text = &self.text_config;
        let (hidden, inner, head_dim) = (text.hidden_size, text.intermediate_size, text.head_dim());
        let (query, kv) = (text.num_attention_heads * head_dim, text.kv_heads() * head_dim);
        list.linear(&format!("{TEXT}.embed_tokens"), text.vocab_size, hidden);
        for layer in 0..text.num_hidden_layers {
            let name = format!("{TEXT}.layers.{layer}");
            list.add(format!("{name}.input_layernorm.weight"), &[hidden]);
            list.linear(&format!("{name}.self_attn.q_proj"), query, hidden);
            list.linear(&format!("{name}.self_attn.k_proj"), kv, hidden);
            list.linear(&format!("{name}.self_attn.v_proj"), kv, hidden);
            list.linear(&format!("{name}.self_attn.o_proj"), hidden, query);
            list.add(format!("{name}.post_attention_layernorm.weight"), &[hidden]);
            list.linear(&format!("{name}.mlp.gate_proj"), inner, hidden);
            list.linear(&format!("{name}.mlp.up_proj"), inner, hidden);
            list.linear(&format!("{name}.mlp.down_proj"), hidden, inner);
        }
        list.add(format!("{TEXT}.norm.weight"), &[hidden]);
        if !self.tie_word_embeddings {
            list.linear("lm_head", text.vocab_size, hidden);
        }
    }
}
