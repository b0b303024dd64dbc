//! The decoder's section of config.json.

use candle_nn::Activation;
use serde::Deserialize;

/// `text_config` of config.json. Missing keys have the defaults of `LlamaConfig` in `transformers`;
/// published checkpoints leave out, for example, 32 layers or 32 heads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct TextConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; as many as query heads if missing.
    pub num_key_value_heads: Option<usize>,
    /// Size of one head; `hidden_size / num_attention_heads` if missing.
    pub head_dim: Option<usize>,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Number of positions that the model supports.
    pub max_position_embeddings: usize,
    /// Epsilon of every norm.
    pub rms_norm_eps: f64,
    /// Activation of the MLP.
    pub hidden_act: Activation,
    pub(crate) attention_bias: bool,
    pub(crate) mlp_bias: bool,
    /// Base of the rotary frequencies, as published checkpoints store it.
    rope_theta: Option<f64>,
    /// The same, as `transformers` 5 stores it.
    rope_parameters: Option<RopeParameters>,
    /// Name of `rope_parameters` in `transformers` 4.
    rope_scaling: Option<RopeParameters>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    #[serde(rename = "type")]
    old_rope_type: Option<String>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            vocab_size: 32000,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            hidden_act: Activation::Silu,
            attention_bias: false,
            mlp_bias: false,
            rope_theta: None,
            rope_parameters: None,
            rope_scaling: None,
        }
    }
}

impl TextConfig {
    /// Number of key and value heads.
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Size of one head.
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Base of the rotary frequencies.
    pub fn rope_theta(&self) -> f64 {
        let written = self.rope_parameters.as_ref().and_then(|parameters| parameters.rope_theta);
        written.or(self.rope_theta).unwrap_or(10_000.0)
    }

    pub(crate) fn rope_type(&self) -> &str {
        let written = [&self.rope_parameters, &self.rope_scaling].into_iter().flatten();
        let mut types = written.filter_map(|rope| rope.rope_type.as_ref().or(rope.old_rope_type.as_ref()));
        types.next().map_or("default", String::as_str)
    }
}
