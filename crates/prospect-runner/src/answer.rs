//! One answer to a prompt, with a cache of its own that goes when the prompt is answered: what `generate` and the server's
//! conversations have in common.

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
    /// Adds a picture, and gives what stands for the picture in its message.
    ///
    /// # Errors
    /// A picture without pixels.
    pub(crate) fn add(&mut self, processor: &Processor, image: &RgbImage) -> Result<Content, RunError> {
        let (pixels, grid) = processor.image_pixels(image, processor.splits_images())?;
        self.extend(pixels);
        Ok(Content::Image(grid))
    }

    /// Adds a video of `fps` frames a second, and gives what stands for the video in its message.
    ///
    /// # Errors
    /// No frame, and a frame without pixels.
    pub(crate) fn add_video(
        &mut self,
        processor: &Processor,
        (timestamps, images): (Vec<f64>, &[RgbImage]),
        fps: f64,
    ) -> Result<Content, RunError> {
        self.extend(processor.video_pixels(images)?);
        let duration = Some(images.len() as f64 / fps);
        Ok(Content::Video(VideoClip { timestamps, duration }))
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

/// What was answered.
pub(crate) struct Answer {
    /// The ids.
    pub(crate) token_ids: Vec<u32>,
    /// Why the answer ended; `None` if nobody wanted more.
    pub(crate) stop: Option<StopReason>,
}

/// Answers the prompt `ids` with at most `most` tokens. `wants_more` is told all ids of the answer after each one.
///
/// # Errors
/// The model, or what `wants_more` says.
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
    // Nothing streams here: the cache is as large as this one answer needs.
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
