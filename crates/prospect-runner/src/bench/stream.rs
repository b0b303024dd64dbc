//! Measures frames per second: vision, prefill and talk decision for one frame after the other, with a
//! reply at some frames.

use std::time::Instant;

use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, KvCache, SmolVlm};
use serde::Serialize;

use super::Progress;
use super::stages::{fill, frame_pixels, frame_tokens, word_ids};
use crate::error::RunError;
use prospect_engine::resident_memory_bytes;

/// Number of frames from one reply to the next.
const REPLY_EVERY: usize = 10;
/// Number of tokens of a reply.
const REPLY_TOKENS: usize = 20;

/// Measured speed of a stream.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MeasuredStream {
    /// Number of tokens in the cache at the beginning. The measured frames are added to them.
    pub cache_tokens: usize,
    /// Frames per second without replies.
    pub silent_frames_per_second: f64,
    /// Frames per second with a reply of 20 tokens at every 10th frame.
    pub talking_frames_per_second: f64,
}

/// Measures `frames` frames, with `cache_tokens` tokens in the cache at the beginning.
///
/// # Errors
/// The model fails.
pub fn measure_stream(
    model: &SmolVlm,
    cache_tokens: usize,
    frames: usize,
    progress: &mut Progress<'_>,
) -> Result<MeasuredStream, RunError> {
    let frame = frame_tokens(model);
    let room = frames * frame + frames.div_ceil(REPLY_EVERY) * REPLY_TOKENS;
    let positions = model.config().text_config.max_position_embeddings;
    let cache_tokens = cache_tokens.min(positions.saturating_sub(room));
    let mut cache = model.new_cache(cache_tokens + room, PositionPolicy::default())?;
    let mut rate = |talks: bool| -> Result<f64, RunError> {
        progress(if talks { "a stream with replies" } else { "a silent stream" });
        fill(model, &mut cache, cache_tokens)?;
        one_frame(model, &mut cache, false)?;
        cache.truncate(cache_tokens);
        model.synchronize()?;
        let started = Instant::now();
        for index in 0..frames {
            one_frame(model, &mut cache, talks && index % REPLY_EVERY == REPLY_EVERY - 1)?;
        }
        model.synchronize()?;
        Ok(frames as f64 / started.elapsed().as_secs_f64())
    };
    Ok(MeasuredStream {
        cache_tokens,
        silent_frames_per_second: rate(false)?,
        talking_frames_per_second: rate(true)?,
    })
}

/// Result of streaming for a longer time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Soak {
    /// Number of frames.
    pub frames: usize,
    /// Number of evictions.
    pub evictions: usize,
    /// Frames per second.
    pub frames_per_second: f64,
    /// Memory of the process after a tenth of the time, in bytes.
    pub memory_first: Option<u64>,
    /// Memory of the process at the end, in bytes.
    pub memory_last: Option<u64>,
    /// Used memory of the device after a tenth of the time, in bytes.
    pub device_first: Option<usize>,
    /// Used memory of the device at the end, in bytes.
    pub device_last: Option<usize>,
}

/// Streams for `seconds` seconds with a cache of `budget` tokens. When the cache is full, its newer
/// half is kept and rotated to the front.
///
/// # Errors
/// The model fails.
pub fn soak(
    model: &SmolVlm,
    budget: usize,
    seconds: u64,
    progress: &mut Progress<'_>,
) -> Result<Soak, RunError> {
    let mut cache = model.new_cache(budget, PositionPolicy::Rerotate)?;
    let needed = frame_tokens(model) + REPLY_TOKENS;
    let device = || model.device_memory().map(|memory| memory.used);
    let (mut frames, mut evictions, mut first) = (0, 0, None);
    let (started, whole) = (Instant::now(), seconds as f64);
    while started.elapsed().as_secs_f64() < whole {
        if cache.len() + needed > budget {
            let length = cache.len();
            model.evict(&mut cache, &[EvictionPiece::Keep(length / 2..length)])?;
            evictions += 1;
        }
        one_frame(model, &mut cache, frames % REPLY_EVERY == REPLY_EVERY - 1)?;
        frames += 1;
        progress(&format!("{frames} frames, {evictions} evictions"));
        if first.is_none() && started.elapsed().as_secs_f64() > whole / 10.0 {
            first = Some((resident_memory_bytes(), device()));
        }
    }
    let (memory_first, device_first) = first.unwrap_or((None, None));
    Ok(Soak {
        frames,
        evictions,
        frames_per_second: frames as f64 / started.elapsed().as_secs_f64(),
        memory_first,
        memory_last: resident_memory_bytes(),
        device_first,
        device_last: device(),
    })
}

fn one_frame(model: &SmolVlm, cache: &mut KvCache, talks: bool) -> Result<(), RunError> {
    let pixels = frame_pixels(model);
    let images = model.encode_image(pixels.values())?;
    let mut ids = word_ids(frame_tokens(model) - images.tokens());
    ids.extend(vec![model.config().image_token_id; images.tokens()]);
    let mut logits = Vec::new();
    // The same call as for a talk decision.
    model.prefill_choice(&model.joint_embed(&ids, Some(&images))?, cache, word_ids(1)[0], &mut logits)?;
    if talks {
        let mut id = word_ids(1)[0];
        for _ in 0..REPLY_TOKENS {
            id = model.decode_likeliest(id, cache, &mut logits)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::default_checkpoint;

    #[test]
    fn a_stream_is_measured_behind_the_cache_that_is_asked_for() {
        let model = SmolVlm::load(&default_checkpoint().unwrap()).unwrap();
        let measured = measure_stream(&model, 64, 10, &mut |_| ()).unwrap();
        assert_eq!(measured.cache_tokens, 64);
        assert!(measured.silent_frames_per_second > 0.0 && measured.talking_frames_per_second > 0.0);
    }

    #[test]
    fn a_soak_evicts_and_goes_on() {
        let model = SmolVlm::load(&default_checkpoint().unwrap()).unwrap();
        let soaked = soak(&model, 3 * (frame_tokens(&model) + REPLY_TOKENS), 1, &mut |_| ()).unwrap();
        assert!(soaked.frames > 3 && soaked.evictions > 0, "{soaked:?}");
    }
}
