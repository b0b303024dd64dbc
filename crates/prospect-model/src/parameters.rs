//! How many parameters a configuration means.

use crate::config::ModelConfig;

impl ModelConfig {
    /// Parameters of the whole model; a tied head counts once.
    pub fn parameters(&self) -> usize {
        self.vision_parameters() + self.connector_parameters() + self.decoder_parameters()
    }

    fn vision_parameters(&self) -> usize {
        let vision = &self.vision_config;
        let (hidden, inner) = (vision.hidden_size, vision.intermediate_size);
        let norm = 2 * hidden;
        let attention = 4 * (hidden * hidden + hidden);
        let mlp = 2 * hidden * inner + inner + hidden;
        let patches = hidden * 3 * vision.patch_size.pow(2) + hidden;
        let positions = vision.patches_per_side().pow(2) * hidden;
        patches + positions + vision.num_hidden_layers * (2 * norm + attention + mlp) + norm
    }

    fn connector_parameters(&self) -> usize {
        self.vision_config.hidden_size * self.scale_factor.pow(2) * self.text_config.hidden_size
    }

    fn decoder_parameters(&self) -> usize {
        let text = &self.text_config;
        let (hidden, head_dim) = (text.hidden_size, text.head_dim());
        let attention = 2 * hidden * head_dim * (text.num_attention_heads + text.kv_heads());
        let mlp = 3 * hidden * text.intermediate_size;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        tables * text.vocab_size * hidden + text.num_hidden_layers * (attention + mlp + 2 * hidden) + hidden
    }
}
