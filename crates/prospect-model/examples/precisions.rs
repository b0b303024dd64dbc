//! What every precision is off by at a published shape with random weights: `‖logits - f32‖ / ‖f32‖` over the tokens of a frame.
//!
//!     cargo run --release -p prospect-model --example precisions -- configs/shapes/256m.json
#![allow(clippy::print_stdout, reason = "its output")]

use std::error::Error;
use std::path::PathBuf;

use prospect_context::PositionPolicy;
use prospect_model::{CacheType, FloatType, ModelConfig, PixelValues, Precisions, SmolVlm};

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args().nth(1).ok_or("expected a config.json")?);
    let config = ModelConfig::parse(&std::fs::read_to_string(&path)?, &path)?;
    let exact = logits(&config, Precisions::EXACT)?;
    let parts = [
        Precisions { vision: Precisions::INT8_VISION, ..Precisions::EXACT },
        Precisions { decoder: Precisions::INT8_DECODER, ..Precisions::EXACT },
        Precisions { vision_attention: FloatType::Bf16, ..Precisions::EXACT },
        Precisions { kv_cache: CacheType::Bf16, ..Precisions::EXACT },
        Precisions { kv_cache: CacheType::Int8, ..Precisions::EXACT },
        Precisions::Q8,
    ];
    for precisions in parts {
        let rounded = logits(&config, precisions)?;
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>().sqrt();
        let off =
            norm(&mut rounded.iter().zip(&exact).map(|(a, b)| a - b)) / norm(&mut exact.iter().copied());
        println!("{off:.4}  {precisions}");
    }
    Ok(())
}

/// Logits of all tokens of a frame that follows a few text tokens.
fn logits(config: &ModelConfig, precisions: Precisions) -> Result<Vec<f32>, Box<dyn Error>> {
    let model = SmolVlm::random(config.clone(), precisions)?;
    let side = config.vision_config.image_size;
    let values: Vec<f32> =
        (0..3 * side * side).map(|index| (index * 37 % 255) as f32 / 127.5 - 1.0).collect();
    let image = model.encode_image(PixelValues { values: &values, tiles: 1, height: side, width: side })?;
    let words = (3..35).map(|word| word * 11);
    let ids: Vec<u32> = words.chain(vec![config.image_token_id; image.tokens()]).collect();
    let mut cache = model.new_cache(ids.len(), PositionPolicy::default())?;
    Ok(model.prefill_all_logits(&model.joint_embed(&ids, Some(&image))?, &mut cache)?.concat())
}
