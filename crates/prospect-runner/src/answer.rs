//! Answers one prompt with a cache of its own, which is freed afterwards. `generate` and the server's
//! conversations use it.

use prospect_config::Settings;
use prospect_context::PositionPolicy;
use prospect_engine::{pixel_values, sampling_of};
use prospect_model::{Generator, Input, ModelError, Next, StopReason};
use prospect_processor::{Content, Pixels, Processor, RgbImage, VideoClip};

use crate::checkpoint::Checkpoint;
use crate::error::RunError;

/// The pixels of all pictures of a prompt, in order.
#[derive(Default)]
pub(crate) struct Pictures(pub(crate) Option<Pixels>);

impl Pictures {
    /// Adds a picture. Returns the content that stands for it in its message.
    ///
    /// # Errors
    /// The picture has no pixels.
    pub(crate) fn add(&mut self, processor: &Processor, image: &RgbImage) -> Result<Content, RunError> {
        let (pixels, grid) = processor.image_pixels(image, processor.splits_images())?;
        self.extend(pixels);
        Ok(Content::Image(grid))
    }

    /// Adds a video with `fps` frames per second, whose frames are tiles by now
    /// ([`Processor::video_tile`]). Returns the content that stands for it in its message.
    pub(crate) fn add_video<'a>(
        &mut self,
        processor: &Processor,
        frames: impl Iterator<Item = (f64, &'a RgbImage)>,
        fps: f64,
    ) -> Content {
        let mut timestamps = Vec::new();
        for (time, tile) in frames {
            timestamps.push(time);
            self.extend(processor.tile_pixels(std::slice::from_ref(tile)));
        }
        let duration = Some(timestamps.len() as f64 / fps);
        Content::Video(VideoClip { timestamps, duration })
    }

    fn extend(&mut self, pixels: Pixels) {
        match &mut self.0 {
            Some(all) => {
                all.values.extend(pixels.values);
                all.tiles += pixels.tiles;
            }
            None => self.0 = Some(pixels),
        }
    }
}

/// An answer.
pub(crate) struct Answer {
    /// Its token ids.
    pub(crate) token_ids: Vec<u32>,
    /// Why the answer ended; `None` if the caller stopped it.
    pub(crate) stop: Option<StopReason>,
}

/// Answers the prompt `ids` with at most `most` tokens. After each token `wants_more` gets all token
/// ids of the answer, and returns whether to continue.
///
/// # Errors
/// The model fails, or `wants_more` returns an error.
pub(crate) fn answer(
    checkpoint: &Checkpoint,
    settings: &Settings,
    (ids, pixels): (&[u32], Option<&Pixels>),
    most: usize,
    mut wants_more: impl FnMut(&[u32]) -> Result<bool, RunError>,
) -> Result<Answer, RunError> {
    let (model, processor) = (&checkpoint.model, &checkpoint.processor);
    let images = pixels.map(|pixels| model.encode_image(pixel_values(pixels))).transpose()?;
    let chunk = model.joint_embed(ids, images.as_ref())?;
    // The cache is as large as this answer needs, because nothing is evicted.
    let mut cache = model.new_cache(ids.len() + most, PositionPolicy::default())?;
    let sampling = sampling_of(settings.generation.sampling);
    let mut generator =
        Generator::new(processor.special().end_of_utterance, sampling).ending_at(processor.ends());
    let (mut generation, mut logits) = (generator.begin(None, most), Vec::new());
    let stop = loop {
        let input = match generation.next() {
            Next::Chunk => Input::Chunk(&chunk),
            Next::Word(id) => Input::Word(id),
            Next::Finished(stop) => break Some(stop),
        };
        let found = model.put(input, &mut cache, generation.wanted(&generator), &mut logits)?;
        generation.take(&mut generator, found, cache.room()).map_err(ModelError::from)?;
        if !wants_more(generation.token_ids())? {
            break None;
        }
    };
    Ok(Answer { token_ids: generation.token_ids().to_vec(), stop })
}
