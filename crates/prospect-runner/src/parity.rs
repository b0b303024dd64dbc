//! Another device or type beside f32 on the CPU, over a whole video: the same frames and tokens go into both, and what comes out is
//! compared.

use prospect_context::{PositionPolicy, Role};
use prospect_model::{EvictionPiece, ImageEmbeddings, KvCache, SmolVlm};
use prospect_processor::{Pixels, Processor};
use serde::Serialize;

use crate::error::RunError;
use crate::smolvlm::pixel_values;
use crate::source::FrameSource;

/// Longest reply that is followed.
const MAX_REPLY: usize = 32;

/// The reference said one token where the other would say another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disagreement {
    /// Frame, from 0.
    pub frame: usize,
    /// What the reference says.
    pub reference: u32,
    /// What the other says.
    pub other: u32,
    /// By how much the reference prefers its own, in logits.
    pub margin: f32,
}

/// How far apart two placements of one checkpoint are.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Parity {
    /// Frames compared.
    pub frames: usize,
    /// Tokens chosen.
    pub tokens: usize,
    /// Evictions on the way.
    pub evictions: usize,
    /// ‖other - reference‖ / ‖reference‖ of the embeddings of all frames.
    pub vision: f64,
    /// The same of the frame that is furthest off.
    pub vision_worst: f64,
    /// The same of the logits of all tokens.
    pub logits: f64,
    /// The same of the token that is furthest off.
    pub logits_worst: f64,
    /// The same of all keys and values of the first layer, at the end.
    pub cache: f64,
    /// Tokens on which they do not agree.
    pub disagreements: Vec<Disagreement>,
}

/// How far vectors that come one after the other are off.
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

/// One of the two models with its stream.
struct Side<'a> {
    model: &'a SmolVlm,
    cache: KvCache,
    logits: Vec<f32>,
}

impl<'a> Side<'a> {
    fn new(model: &'a SmolVlm, capacity: usize, policy: PositionPolicy) -> Result<Self, RunError> {
        Ok(Self { model, cache: model.new_cache(capacity, policy)?, logits: Vec::new() })
    }

    fn put(&mut self, ids: &[u32], images: Option<&ImageEmbeddings>) -> Result<(), RunError> {
        let chunk = self.model.stream_embed(ids, images)?;
        Ok(self.model.prefill_into(&chunk, &mut self.cache, &mut self.logits)?)
    }
}

/// Streams `frames` through both, with a cache of `capacity` tokens; when it is full, its newer half is kept under `policy`.
///
/// # Errors
/// The source or one of the models.
pub fn compare(
    [reference, other]: [&SmolVlm; 2],
    processor: &Processor,
    frames: &mut dyn FrameSource,
    (capacity, policy): (usize, PositionPolicy),
    system_prompt: &str,
) -> Result<Parity, RunError> {
    let mut sides = [Side::new(reference, capacity, policy)?, Side::new(other, capacity, policy)?];
    let (mut parity, mut vision, mut logits) = (Parity::default(), Distance::default(), Distance::default());
    let mut pixels = Pixels::default();
    let mut pending = processor.encode_message(Role::System, system_prompt, true)?.ids;
    while let Some(frame) = frames.next_frame() {
        let frame = frame?;
        processor.frame_pixels_into(&frame.image, &mut pixels)?;
        let mut images = Vec::new();
        for side in &sides {
            images.push(side.model.encode_image(pixel_values(&pixels))?);
        }
        vision.add(&images[1].to_vec()?, &images[0].to_vec()?);
        pending.extend(processor.encode_frame(Some(frame.time))?.ids);
        if sides[0].cache.len() + pending.len() + MAX_REPLY > capacity {
            evict(&mut sides)?;
            parity.evictions += 1;
        }
        for (side, images) in sides.iter_mut().zip(&images) {
            side.put(&pending, Some(images))?;
        }
        pending = follow_reply(&mut sides, &mut parity, &mut logits, processor.special().end_of_utterance)?;
        parity.frames += 1;
    }
    let mut cache = Distance::default();
    cache.add(&sides[1].cache.keys(0)?, &sides[0].cache.keys(0)?);
    cache.add(&sides[1].cache.values(0)?, &sides[0].cache.values(0)?);
    let (vision_worst, logits_worst) = (vision.worst, logits.worst);
    let (vision, logits, cache) = (vision.all(), logits.all(), cache.all());
    Ok(Parity { vision, vision_worst, logits, logits_worst, cache, ..parity })
}

fn evict(sides: &mut [Side<'_>; 2]) -> Result<(), RunError> {
    for side in sides {
        let length = side.cache.len();
        side.model.evict(&mut side.cache, &[EvictionPiece::Keep(length / 2..length)])?;
    }
    Ok(())
}

/// Both say what the reference says; returns the last token, which goes in with the next frame.
fn follow_reply(
    sides: &mut [Side<'_>; 2],
    parity: &mut Parity,
    distance: &mut Distance,
    end: u32,
) -> Result<Vec<u32>, RunError> {
    for said in 0.. {
        let [reference, other] = [likeliest(&sides[0].logits), likeliest(&sides[1].logits)];
        parity.tokens += 1;
        distance.add(&sides[1].logits, &sides[0].logits);
        if reference != other {
            let logits = &sides[0].logits;
            let margin = logits[reference as usize] - logits[other as usize];
            parity.disagreements.push(Disagreement { frame: parity.frames, reference, other, margin });
        }
        if reference == end || said + 1 == MAX_REPLY {
            return Ok(vec![reference]);
        }
        for side in sides.iter_mut() {
            side.put(&[reference], None)?;
        }
    }
    Ok(Vec::new())
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
    use crate::checkpoint::{default_checkpoint, from_repository};
    use crate::source::{self, SourceOptions};

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
            let mut frames = source::open(&video.display().to_string(), options()).unwrap();
            let policy = (384, PositionPolicy::Rerotate);
            let parity =
                compare([&reference, &other], &processor, frames.as_mut(), policy, "Watch.").unwrap();
            assert_eq!(parity.frames, 40);
            assert!(parity.evictions > 0 && parity.tokens >= parity.frames);
            assert!(parity.vision < near && parity.logits < near && parity.cache < near, "{parity:?}");
            let worst = parity.vision_worst.max(parity.logits_worst);
            assert!(worst >= parity.vision.max(parity.logits) && worst < 5.0 * near, "{parity:?}");
            assert!(parity.disagreements.iter().all(|one| one.margin < 0.2), "{parity:?}");
        }
    }
}
