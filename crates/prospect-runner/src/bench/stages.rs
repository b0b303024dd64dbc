//! Measures the stages of a frame one by one.

use std::time::Instant;

use prospect_context::PositionPolicy;
use prospect_model::{KvCache, PixelValues, SmolVlm};
use serde::Serialize;

use super::Progress;
use crate::error::RunError;
use crate::operations::{self, of_decoder, of_vision};

/// A stage of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Vision tower and connector for one frame.
    Vision,
    /// Prefill of one frame's tokens, with tokens in the cache.
    Prefill,
    /// Decoding of one token, with tokens in the cache.
    Decode,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Vision => "vision + connector",
            Self::Prefill => "prefill a frame",
            Self::Decode => "decode a token",
        })
    }
}

/// Measurement of one stage at one cache length.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The stage.
    pub stage: Stage,
    /// Number of tokens in the cache before; `None` for stages without a cache.
    pub cache_tokens: Option<usize>,
    /// Number of tokens that were computed.
    pub tokens: usize,
    /// Median of the runs, in milliseconds.
    pub median_ms: f64,
    /// Fastest run, in milliseconds.
    pub least_ms: f64,
    /// Fewest bytes that must be read: weights and cache, in the formats in which they are held.
    pub bytes: usize,
    /// Fewest operations that must be done. A multiplication and an addition count as two.
    pub operations: f64,
}

/// Measures every stage. A cache length at which a frame would exceed the model's positions is
/// shortened.
///
/// # Errors
/// The model fails.
pub fn measure(
    model: &SmolVlm,
    cache_lengths: &[usize],
    repeats: usize,
    progress: &mut Progress<'_>,
) -> Result<Vec<Measured>, RunError> {
    let frame_tokens = frame_tokens(model);
    let positions = model.config().text_config.max_position_embeddings;
    let longest = positions.saturating_sub(frame_tokens + 1);
    let mut lengths: Vec<usize> = cache_lengths.iter().map(|length| (*length).min(longest)).collect();
    lengths.dedup();
    let stages = 1 + 2 * lengths.len();
    progress(&format!("stage 1 of {stages}: {}", Stage::Vision));
    let mut measured = vec![vision(model, repeats)?];
    let capacity = lengths.iter().max().map_or(0, |most| most + frame_tokens + 1);
    let mut cache = model.new_cache(capacity, PositionPolicy::default())?;
    for stage in [Stage::Prefill, Stage::Decode] {
        let tokens = if stage == Stage::Prefill { frame_tokens } else { 1 };
        for &length in &lengths {
            let number = measured.len() + 1;
            progress(&format!("stage {number} of {stages}: {stage} behind {length} tokens"));
            fill(model, &mut cache, length)?;
            measured.push(behind(model, &mut cache, (stage, tokens), repeats)?);
        }
    }
    Ok(measured)
}

/// Number of tokens of a frame with its text.
pub(crate) fn frame_tokens(model: &SmolVlm) -> usize {
    operations::frame_tokens(model.config())
}

/// Normalized pixels of a frame.
pub(crate) struct FramePixels {
    values: Vec<f32>,
    side: usize,
}

impl FramePixels {
    pub(crate) fn values(&self) -> PixelValues<'_> {
        PixelValues { values: &self.values, tiles: 1, height: self.side, width: self.side }
    }
}

/// A frame of the size that the model takes.
pub(crate) fn frame_pixels(model: &SmolVlm) -> FramePixels {
    let side = model.config().vision_config.image_size;
    let values = (0..3 * side * side).map(|index| (index % 255) as f32 / 127.5 - 1.0).collect();
    FramePixels { values, side }
}

fn vision(model: &SmolVlm, repeats: usize) -> Result<Measured, RunError> {
    let pixels = frame_pixels(model);
    let encode = |(): &mut ()| model.encode_image(pixels.values()).map(drop).map_err(RunError::from);
    let times = times(model, repeats, &mut (), |()| Ok(()), encode)?;
    let (bytes, operations) = (model.vision_weight_bytes(), of_vision(model.config()));
    Ok(row(Stage::Vision, None, model.config().image_seq_len(), &times, (bytes, operations)))
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
    let empty = |cache: &mut KvCache| {
        cache.truncate(length);
        Ok(())
    };
    if stage == Stage::Decode {
        // With CUDA graphs, the second token is captured and the third shows the time of a captured
        // step.
        model.decode_likeliest(ids[0], cache, &mut logits)?;
    }
    let times = times(model, repeats, cache, empty, |cache| match stage {
        Stage::Decode => Ok(model.decode_likeliest(ids[0], cache, &mut logits).map(drop)?),
        _ => Ok(model.prefill_choice(&chunk, cache, ids[0], &mut logits).map(drop)?),
    })?;
    cache.truncate(length);
    let bytes = model.decoder_weight_bytes() + length * model.kv_bytes_per_token();
    let operations = of_decoder(model.config(), tokens, length);
    Ok(row(stage, Some(length), tokens, &times, (bytes, operations)))
}

/// Fills the cache up to `length` tokens, in chunks of up to 256.
pub(super) fn fill(model: &SmolVlm, cache: &mut KvCache, length: usize) -> Result<(), RunError> {
    cache.truncate(length);
    while cache.len() < length {
        let tokens = (length - cache.len()).min(256);
        model.prefill(&model.embed_words(&word_ids(tokens))?, cache)?;
    }
    Ok(())
}

/// Token ids that are not image tokens.
pub(crate) fn word_ids(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|index| 3 + (index * 7 % 400) as u32).collect()
}

/// Milliseconds of `repeats` runs, after one run for warming up. `before` is not timed. A run ends when
/// the device has finished.
pub(super) fn times<S>(
    model: &SmolVlm,
    repeats: usize,
    state: &mut S,
    mut before: impl FnMut(&mut S) -> Result<(), RunError>,
    mut run: impl FnMut(&mut S) -> Result<(), RunError>,
) -> Result<Vec<f64>, RunError> {
    let mut time = || {
        before(state)?;
        model.synchronize()?;
        let started = Instant::now();
        run(state)?;
        model.synchronize()?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    time()?;
    (0..repeats.max(1)).map(|_| time()).collect()
}

pub(super) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn row(
    stage: Stage,
    cache_tokens: Option<usize>,
    tokens: usize,
    times: &[f64],
    (bytes, operations): (usize, f64),
) -> Measured {
    let least_ms = times.iter().copied().fold(f64::INFINITY, f64::min);
    Measured { stage, cache_tokens, tokens, median_ms: median(times), least_ms, bytes, operations }
}
