//! Compares another device or number type with f32 on the CPU over a whole video: both get the same
//! frames and tokens.

use prospect_context::{PositionPolicy, Role};
use prospect_model::{EvictionPiece, ImageEmbeddings, KvCache, PixelValues, SmolVlm};
use prospect_processor::{Pixels, Processor};
use serde::Serialize;

use crate::bench::{frame_pixels, frame_tokens, word_ids};
use crate::error::RunError;
use prospect_engine::pixel_values;
use prospect_source::FrameSource;

/// Most tokens of a reply that are compared.
const MAX_REPLY: usize = 32;

/// The reference chose one token where the other would have chosen another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disagreement {
    /// Number of the frame, from 0.
    pub frame: usize,
    /// Token id chosen by the reference.
    pub reference: u32,
    /// Token id chosen by the other.
    pub other: u32,
    /// Difference of the reference's logits for the two tokens.
    pub margin: f32,
}

/// Difference between two placements of one checkpoint.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Parity {
    /// Number of compared frames.
    pub frames: usize,
    /// Number of chosen tokens.
    pub tokens: usize,
    /// Number of evictions.
    pub evictions: usize,
    /// Relative difference of the image embeddings of all frames: ‖other - reference‖ / ‖reference‖.
    pub vision: f64,
    /// The same for the frame with the largest difference.
    pub vision_worst: f64,
    /// The same for the logits of all tokens.
    pub logits: f64,
    /// The same for the token with the largest difference.
    pub logits_worst: f64,
    /// The same for all keys and values of the first layer at the end.
    pub cache: f64,
    /// Tokens on which the two disagree.
    pub disagreements: Vec<Disagreement>,
}

/// Accumulated difference of a sequence of vectors.
#[derive(Default)]
struct Distance {
    /// Sums of squares.
    difference: f64,
    reference: f64,
    worst: f64,
}

impl Distance {
    fn add(&mut self, other: &[f32], reference: &[f32]) {
        let (difference, norm) = squares(other, reference);
        self.difference += difference;
        self.reference += norm;
        self.worst = self.worst.max(root_of_ratio(difference, norm));
    }

    fn all(&self) -> f64 {
        root_of_ratio(self.difference, self.reference)
    }
}

/// One of the two models, with its stream.
struct Side<'a> {
    model: &'a SmolVlm,
    cache: KvCache,
    logits: Vec<f32>,
}

impl<'a> Side<'a> {
    fn new(model: &'a SmolVlm, capacity: usize, policy: PositionPolicy) -> Result<Self, RunError> {
        Ok(Self { model, cache: model.new_cache(capacity, policy)?, logits: Vec::new() })
    }

    /// Appends a token: once as a chunk, for its logits, and then again in the same slot by decoding,
    /// as in a reply. Returns the token that decoding chose.
    fn say(&mut self, id: u32) -> Result<u32, RunError> {
        self.put(&[id], None)?;
        self.cache.truncate(self.cache.len() - 1);
        Ok(self.model.decode_likeliest(id, &mut self.cache, &mut Vec::new())?)
    }

    fn put(&mut self, ids: &[u32], images: Option<&ImageEmbeddings>) -> Result<(), RunError> {
        let chunk = self.model.stream_embed(ids, images)?;
        Ok(self.model.prefill_into(&chunk, &mut self.cache, &mut self.logits)?)
    }
}

/// Both models, and the results so far.
struct Comparison<'a> {
    sides: [Side<'a>; 2],
    capacity: usize,
    parity: Parity,
    vision: Distance,
    logits: Distance,
}

impl<'a> Comparison<'a> {
    fn new(models: [&'a SmolVlm; 2], capacity: usize, policy: PositionPolicy) -> Result<Self, RunError> {
        let [reference, other] = models;
        let sides = [Side::new(reference, capacity, policy)?, Side::new(other, capacity, policy)?];
        let (vision, logits) = (Distance::default(), Distance::default());
        Ok(Self { sides, capacity, parity: Parity::default(), vision, logits })
    }

    /// Processes one frame, whose tokens are the last of `ids`, and its reply up to the token `end`.
    /// Returns the last token, which goes into the cache with the next frame.
    fn frame(
        &mut self,
        pixels: PixelValues<'_>,
        ids: &[u32],
        end: Option<u32>,
    ) -> Result<Vec<u32>, RunError> {
        let [reference, other] = &self.sides;
        let images = [reference.model.encode_image(pixels)?, other.model.encode_image(pixels)?];
        self.vision.add(&images[1].to_vec()?, &images[0].to_vec()?);
        if self.sides[0].cache.len() + ids.len() + MAX_REPLY > self.capacity {
            for side in &mut self.sides {
                let length = side.cache.len();
                side.model.evict(&mut side.cache, &[EvictionPiece::Keep(length / 2..length)])?;
            }
            self.parity.evictions += 1;
        }
        for (side, images) in self.sides.iter_mut().zip(&images) {
            side.put(ids, Some(images))?;
        }
        let last = self.follow_reply(end)?;
        self.parity.frames += 1;
        Ok(last)
    }

    /// Both models continue with the reference's reply.
    fn follow_reply(&mut self, end: Option<u32>) -> Result<Vec<u32>, RunError> {
        for said in 0.. {
            let [of_reference, of_other] = self.sides.each_ref().map(|side| &side.logits[..]);
            let [reference, other] = [likeliest(of_reference), likeliest(of_other)];
            self.parity.tokens += 1;
            self.logits.add(of_other, of_reference);
            if reference != other {
                let margin = of_reference[reference as usize] - of_reference[other as usize];
                self.disagree(reference, other, margin);
            }
            if Some(reference) == end || said + 1 == MAX_REPLY {
                return Ok(vec![reference]);
            }
            for index in 0..self.sides.len() {
                let chosen = self.sides[index].say(reference)?;
                let logits = &self.sides[index].logits;
                let expected = likeliest(logits);
                if chosen != expected {
                    let margin = logits[expected as usize] - logits[chosen as usize];
                    self.disagree(expected, chosen, margin);
                }
            }
        }
        Ok(Vec::new())
    }

    fn disagree(&mut self, reference: u32, other: u32, margin: f32) {
        let frame = self.parity.frames;
        self.parity.disagreements.push(Disagreement { frame, reference, other, margin });
    }

    fn finish(self) -> Result<Parity, RunError> {
        let [reference, other] = self.sides.map(|side| side.cache);
        let mut cache = Distance::default();
        cache.add(&other.keys(0)?, &reference.keys(0)?);
        cache.add(&other.values(0)?, &reference.values(0)?);
        Ok(Parity {
            vision: self.vision.all(),
            vision_worst: self.vision.worst,
            logits: self.logits.all(),
            logits_worst: self.logits.worst,
            cache: cache.all(),
            ..self.parity
        })
    }
}

/// Streams `frames` through both models with a cache of `capacity` tokens. When it is full, its newer
/// half is kept under `policy`. `progress` is told of every frame.
///
/// # Errors
/// The source or one of the models fails.
pub fn compare(
    models: [&SmolVlm; 2],
    processor: &Processor,
    frames: &mut dyn FrameSource,
    (capacity, policy): (usize, PositionPolicy),
    system_prompt: &str,
    progress: &mut dyn FnMut(),
) -> Result<Parity, RunError> {
    let mut comparison = Comparison::new(models, capacity, policy)?;
    let mut pixels = Pixels::default();
    let mut pending = processor.encode_message(Role::System, system_prompt, true)?.ids;
    let end = Some(processor.special().end_of_utterance);
    while let Some(frame) = frames.next_frame() {
        let frame = frame?;
        processor.frame_pixels_into(&frame.image, &mut pixels)?;
        pending.extend(processor.encode_frame(Some(frame.time))?.ids);
        pending = comparison.frame(pixel_values(&pixels), &pending, end)?;
        progress();
    }
    comparison.finish()
}

/// As [`compare`], for models with random weights: three blank frames, each with a reply of the
/// greatest length, and a cache for two of them. It reaches kernels that only the published shapes use.
///
/// # Errors
/// One of the models fails.
pub fn compare_shapes(models: [&SmolVlm; 2]) -> Result<Parity, RunError> {
    let reference = models[0];
    let tokens = frame_tokens(reference);
    let capacity = 2 * (tokens + 1 + MAX_REPLY) + MAX_REPLY;
    let mut comparison = Comparison::new(models, capacity, PositionPolicy::Rerotate)?;
    let pixels = frame_pixels(reference);
    let image = vec![reference.config().image_token_id; reference.config().image_seq_len()];
    let frame = [word_ids(tokens - image.len()), image].concat();
    let mut pending = Vec::new();
    for _ in 0..3 {
        pending.extend(&frame);
        pending = comparison.frame(pixels.values(), &pending, None)?;
    }
    comparison.finish()
}

fn likeliest(logits: &[f32]) -> u32 {
    let better = |best: usize, index: usize| if logits[index] > logits[best] { index } else { best };
    (0..logits.len()).reduce(better).unwrap_or(0) as u32
}

/// ‖a - b‖² and ‖b‖².
fn squares(a: &[f32], b: &[f32]) -> (f64, f64) {
    let pairs = a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    pairs.fold((0.0, 0.0), |(difference, norm), (a, b)| (difference + (a - b).powi(2), norm + b.powi(2)))
}

fn root_of_ratio(difference: f64, norm: f64) -> f64 {
    if norm > 0.0 { (difference / norm).sqrt() } else { 0.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use prospect_model::{ComputeType, Kernels, Placement};

    use super::*;
    use crate::bench::shape;
    use crate::checkpoint::{default_checkpoint, from_repository};
    use prospect_source::SourceOptions;

    #[test]
    fn shapes_are_compared_over_an_eviction() {
        let placement = |dtype| Placement { dtype, kernels: Kernels::Plain, ..Placement::default() };
        let model = |placement| shape("small", placement).unwrap().model;
        let (reference, other) = (model(Placement::default()), model(placement(ComputeType::F16)));
        let parity = compare_shapes([&reference, &other]).unwrap();
        assert_eq!((parity.frames, parity.tokens, parity.evictions), (3, 3 * MAX_REPLY, 1));
        assert!(parity.vision < 1e-2 && parity.logits < 1e-2 && parity.cache < 1e-2, "{parity:?}");
        assert!(parity.vision > 0.0 && parity.logits > 0.0 && parity.cache > 0.0, "{parity:?}");
    }

    #[test]
    fn plain_kernels_say_what_our_own_say() {
        let folder = default_checkpoint().unwrap();
        let processor = Processor::from_dir(&folder).unwrap();
        let video = from_repository("fixtures/workbench/videos/video_000.mp4").unwrap();
        let reference = SmolVlm::load(&folder).unwrap();
        let options = || SourceOptions { max_frames: Some(40), ..SourceOptions::at(2.0) };
        for (dtype, near) in [(ComputeType::F32, 1e-5), (ComputeType::F16, 2e-3), (ComputeType::Bf16, 1e-2)] {
            let placement = Placement { dtype, kernels: Kernels::Plain, ..Placement::default() };
            let other = SmolVlm::load_with(&folder, placement).unwrap();
            let mut frames = prospect_source::open(&video.display().to_string(), options()).unwrap();
            let policy = (384, PositionPolicy::Rerotate);
            let parity =
                compare([&reference, &other], &processor, frames.as_mut(), policy, "Watch.", &mut || ())
                    .unwrap();
            assert_eq!(parity.frames, 40);
            assert!(parity.evictions > 0 && parity.tokens >= parity.frames);
            assert!(parity.vision < near && parity.logits < near && parity.cache < near, "{parity:?}");
            let worst = parity.vision_worst.max(parity.logits_worst);
            assert!(worst >= parity.vision.max(parity.logits) && worst < 5.0 * near, "{parity:?}");
            assert!(parity.disagreements.iter().all(|one| one.margin < 0.2), "{parity:?}");
        }
    }
}
