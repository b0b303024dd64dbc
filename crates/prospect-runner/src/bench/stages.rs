//! The stages of a frame, measured one by one.

use std::time::Instant;

use prospect_context::PositionPolicy;
use prospect_model::{KvCache, PixelValues, SmolVlm};
use serde::Serialize;

use crate::error::RunError;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// One frame through vision tower and connector.
    Vision,
    /// The tokens of a frame behind a cache.
    Prefill,
    /// One token behind a cache.
    Decode,
}

/// One stage at one cache length.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was measured.
    pub stage: Stage,
    /// Tokens in the cache before; absent where there is none.
    pub cache_tokens: Option<usize>,
    /// Tokens that went in.
    pub tokens: usize,
    /// Median of the runs.
    pub median_ms: f64,
    /// Fastest run.
    pub least_ms: f64,
    /// Bytes that have to be read at least: weights and cache, as they are held.
    pub bytes: usize,
}

/// Measures every stage; `cache_lengths` that pass the model's positions are left out.
///
/// # Errors
/// Those of the model.
pub fn measure(model: &SmolVlm, cache_lengths: &[usize], repeats: usize) -> Result<Vec<Measured>, RunError> {
    let config = model.config();
    let frame_tokens = config.image_seq_len() + FRAME_TEXT_TOKENS;
    let longest = config.text_config.max_position_embeddings.saturating_sub(frame_tokens + 1);
    let lengths: Vec<usize> = cache_lengths.iter().copied().filter(|length| *length <= longest).collect();
    let mut measured = vec![vision(model, repeats)?];
    let capacity = lengths.iter().max().map_or(0, |most| most + frame_tokens + 1);
    let mut cache = model.new_cache(capacity, PositionPolicy::default())?;
    for stage in [Stage::Prefill, Stage::Decode] {
        let tokens = if stage == Stage::Prefill { frame_tokens } else { 1 };
        for &length in &lengths {
            fill(model, &mut cache, length)?;
            measured.push(behind(model, &mut cache, (stage, tokens), repeats)?);
        }
    }
    Ok(measured)
}

/// Around the image tokens of a frame: its time, start and end of the image.
const FRAME_TEXT_TOKENS: usize = 16;

fn vision(model: &SmolVlm, repeats: usize) -> Result<Measured, RunError> {
    let side = model.config().vision_config.image_size;
    let values: Vec<f32> = (0..3 * side * side).map(|index| (index % 255) as f32 / 127.5 - 1.0).collect();
    let pixels = PixelValues { values: &values, tiles: 1, height: side, width: side };
    let times = times(repeats, || model.encode_image(pixels).map(drop).map_err(RunError::from))?;
    let tokens = model.config().image_seq_len();
    Ok(row(Stage::Vision, None, tokens, &times, model.vision_weight_bytes()))
}

fn behind(
    model: &SmolVlm,
    cache: &mut KvCache,
    (stage, tokens): (Stage, usize),
    repeats: usize,
) -> Result<Measured, RunError> {
    let (length, ids) = (cache.len(), word_ids(tokens));
    let chunk = model.embed_words(&ids)?;
    let mut logits = Vec::new();
    let times = times(repeats, || {
        model.prefill_into(&chunk, cache, &mut logits)?;
        cache.truncate(length);
        Ok(())
    })?;
    let bytes = model.decoder_weight_bytes() + length * model.kv_bytes_per_token();
    Ok(row(stage, Some(length), tokens, &times, bytes))
}

/// Fills the cache up to `length` tokens, a frame at a time.
fn fill(model: &SmolVlm, cache: &mut KvCache, length: usize) -> Result<(), RunError> {
    cache.truncate(length);
    while cache.len() < length {
        let tokens = (length - cache.len()).min(256);
        model.prefill(&model.embed_words(&word_ids(tokens))?, cache)?;
    }
    Ok(())
}

/// Ids of words, none of them an image token.
fn word_ids(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|index| 3 + (index * 7 % 400) as u32).collect()
}

/// One run to warm up, then `repeats` that count, in milliseconds.
fn times(repeats: usize, mut run: impl FnMut() -> Result<(), RunError>) -> Result<Vec<f64>, RunError> {
    run()?;
    let time = |_| {
        let started = Instant::now();
        run()?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    (0..repeats.max(1)).map(time).collect()
}

fn row(stage: Stage, cache_tokens: Option<usize>, tokens: usize, times: &[f64], bytes: usize) -> Measured {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (median_ms, least_ms) = (sorted[sorted.len() / 2], sorted[0]);
    Measured { stage, cache_tokens, tokens, median_ms, least_ms, bytes }
}
