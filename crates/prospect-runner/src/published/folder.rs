//! Writes a checkpoint folder of a published size with random weights. Everything else in it is as
//! published.

use std::path::Path;

use prospect_model::write_random_weights;
use serde_json::{Value, json};

use super::{Size, tokenizer};
use crate::error::RunError;

/// Bytes per weight file. The largest size therefore has two files.
const SHARD_BYTES: usize = 3_000_000_000;
/// Longest edge of an image in tiles, before it is split.
const LONGEST_EDGE_TILES: usize = 4;
/// The published chat template.
const CHAT_TEMPLATE: &str = "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}\
{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}\
{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}\
{% elif line['type'] == 'image' %}{{ '<image>' }}{% elif line['type'] == 'video' %}{{ '<video>' }}{% endif %}{% endfor %}\
<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

impl Size {
    /// Writes a checkpoint folder of this size: weights in bf16, config.json, tokenizer, chat template
    /// and processor settings. The bytes are the same every time.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_random(&self, folder: &Path) -> Result<(), RunError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| RunError::Write { path: folder.to_owned(), source })?;
        let config = self.config()?;
        let text = &config.text_config;
        let tile = config.vision_config.image_size;
        let ids = json!({ "bos_token_id": 1, "eos_token_id": 49_279, "pad_token_id": 2 });
        let processor =
            json!({ "image_seq_len": config.image_seq_len(), "processor_class": "SmolVLMProcessor" });
        let files: [(&str, Value); 6] = [
            ("tokenizer.json", tokenizer::tokenizer()),
            ("tokenizer_config.json", tokenizer::tokenizer_config(text.max_position_embeddings)),
            ("generation_config.json", ids),
            ("processor_config.json", processor),
            ("preprocessor_config.json", preprocessor(tile)),
            ("chat_template.json", json!({ "chat_template": CHAT_TEMPLATE })),
        ];
        for (name, value) in files {
            write(&folder.join(name), &format!("{value:#}\n"))?;
        }
        write(&folder.join("config.json"), self.config_json)?;
        Ok(write_random_weights(&config, folder, SHARD_BYTES)?)
    }
}

fn preprocessor(tile: usize) -> Value {
    let edge = |pixels: usize| json!({ "longest_edge": pixels });
    json!({
        "image_processor_type": "SmolVLMImageProcessor", "processor_class": "SmolVLMProcessor",
        "do_convert_rgb": true, "do_image_splitting": true, "do_resize": true, "do_rescale": true,
        "do_normalize": true, "do_pad": true, "resample": 1, "rescale_factor": 1.0 / 255.0,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "size": edge(LONGEST_EDGE_TILES * tile), "max_image_size": edge(tile),
        "video_sampling": { "fps": 1, "max_frames": 64, "video_size": edge(tile) },
    })
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    std::fs::write(path, text).map_err(|source| RunError::Write { path: path.to_owned(), source })
}
