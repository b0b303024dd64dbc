//! Fewest operations of a stage. A multiplication and an addition count as two.

use prospect_model::ModelConfig;

/// Tokens around the image tokens of a frame: its time as text, and start and end of the image.
const FRAME_TEXT_TOKENS: usize = 16;

/// Number of tokens of a frame with its text.
pub(crate) fn frame_tokens(config: &ModelConfig) -> usize {
    config.image_seq_len() + FRAME_TEXT_TOKENS
}

/// Operations of a frame without a reply, with `cached` tokens in the cache.
pub(crate) fn of_silent_frame(config: &ModelConfig, cached: usize) -> f64 {
    of_vision(config) + of_decoder(config, frame_tokens(config), cached)
}

/// Operations of vision tower and connector for one tile.
pub(crate) fn of_vision(config: &ModelConfig) -> f64 {
    let vision = &config.vision_config;
    let (hidden, inner) = (vision.hidden_size as f64, vision.intermediate_size as f64);
    let patches = (vision.patches_per_side() as f64).powi(2);
    let embedding = 3.0 * (vision.patch_size as f64).powi(2) * hidden;
    let layer = 4.0 * hidden * hidden + 2.0 * hidden * inner + 2.0 * patches * hidden;
    let connector = hidden * config.text_config.hidden_size as f64;
    2.0 * patches * (embedding + vision.num_hidden_layers as f64 * layer + connector)
}

/// Operations of the decoder for `tokens` tokens with `cached` tokens in the cache, and the logits of
/// the last one.
pub(crate) fn of_decoder(config: &ModelConfig, tokens: usize, cached: usize) -> f64 {
    let text = &config.text_config;
    let (hidden, inner, head_dim) =
        (text.hidden_size as f64, text.intermediate_size as f64, text.head_dim() as f64);
    let (queries, keys) = (text.num_attention_heads as f64 * head_dim, text.kv_heads() as f64 * head_dim);
    let (tokens, cached) = (tokens as f64, cached as f64);
    // A token attends to all earlier tokens and to itself.
    let seen = tokens * cached + tokens * (tokens + 1.0) / 2.0;
    let layer = tokens * (2.0 * hidden * (queries + keys) + 3.0 * hidden * inner) + 2.0 * seen * queries;
    2.0 * (text.num_hidden_layers as f64 * layer + hidden * text.vocab_size as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn config() -> ModelConfig {
        let text = include_str!("../../../configs/shapes/256m.json");
        ModelConfig::parse(text, "config.json".as_ref()).unwrap()
    }

    #[test]
    fn a_token_alone_multiplies_every_weight_once() {
        let config = config();
        let text = &config.text_config;
        let table = (text.vocab_size * text.hidden_size) as f64;
        let vision_and_connector = 94e6;
        let decoder = config.parameters() as f64 - vision_and_connector - table;
        let operations = of_decoder(&config, 1, 0);
        assert!((operations / (2.0 * decoder) - 1.0).abs() < 0.05, "{operations} of {decoder}");
    }

    #[test]
    fn a_longer_cache_costs_attention_alone() {
        let config = config();
        let text = &config.text_config;
        let more = of_decoder(&config, 1, 1000) - of_decoder(&config, 1, 0);
        let attention = 4 * 1000 * text.num_hidden_layers * text.num_attention_heads * text.head_dim();
        assert_eq!(more, attention as f64);
    }

    #[test]
    fn vision_is_dominated_by_its_patches() {
        let config = config();
        // 85 million weights, and attention between 1,024 patches.
        assert!((170e9..230e9).contains(&of_vision(&config)), "{}", of_vision(&config));
    }
}
