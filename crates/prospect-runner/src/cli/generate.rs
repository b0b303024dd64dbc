//! `prospect-runner generate`: one prompt, one answer.

use std::sync::Arc;

use prospect_context::{PositionPolicy, Role};
use prospect_model::Generator;
use prospect_processor::{Content, Message, Pixels, RgbImage, VideoClip};
use serde::Serialize;

use super::arguments::GenerateArguments;
use super::say::print;
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::strategies::Registry;
use prospect_engine::pixel_values;
use prospect_engine::sampling_of;
use prospect_source::{Frame, SourceOptions};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    text: String,
    prompt_token_ids: Vec<u32>,
    token_ids: Vec<u32>,
}

pub(super) fn generate(arguments: &GenerateArguments, strategies: &Registry) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let checkpoint = Checkpoint::load(&settings, &Interrupt::default())?;
    let (mut content, pixels) = media(arguments, &checkpoint, settings.stream.fps)?;
    content.push(Content::Text(arguments.prompt.clone()));
    let prompt = checkpoint.processor.encode_prompt(&[Message { role: Role::User, content }], true)?;
    let model = &checkpoint.model;
    let images = pixels.as_ref().map(|pixels| model.encode_image(pixel_values(pixels))).transpose()?;
    let chunk = model.joint_embed(&prompt.ids, images.as_ref())?;
    // Nothing streams here: the cache is as large as this one answer needs.
    let capacity = prompt.ids.len() + settings.generation.max_new_tokens;
    let mut cache = model.new_cache(capacity, PositionPolicy::default())?;
    let special = checkpoint.processor.special();
    let mut generator = Generator::new(special.end_of_utterance, sampling_of(settings.generation.sampling))
        .ending_at(checkpoint.processor.ends());
    let generated =
        generator.generate(model, &chunk, &mut cache, None, settings.generation.max_new_tokens)?;
    let text = checkpoint.processor.clean_reply(&generated.token_ids)?;
    if settings.output.json {
        let answer = Answer { text, prompt_token_ids: prompt.ids, token_ids: generated.token_ids };
        // Strings and integers always serialise.
        print(&serde_json::to_string(&answer).unwrap_or_default());
    } else {
        print(&text);
    }
    Ok(())
}

/// The images or the video of the prompt, and their pixels.
fn media(
    arguments: &GenerateArguments,
    checkpoint: &Checkpoint,
    fps: f64,
) -> Result<(Vec<Content>, Option<Pixels>), RunError> {
    let processor = &checkpoint.processor;
    if let Some(video) = &arguments.video {
        let frames = frames(video, fps)?;
        let timestamps: Vec<f64> = frames.iter().map(|frame| frame.time).collect();
        let duration = Some(frames.len() as f64 / fps);
        let images: Vec<RgbImage> =
            frames.into_iter().map(|frame| Arc::unwrap_or_clone(frame.image)).collect();
        let clip = VideoClip { timestamps, duration };
        return Ok((vec![Content::Video(clip)], Some(processor.video_pixels(&images)?)));
    }
    let mut content = Vec::new();
    let mut all: Option<Pixels> = None;
    for file in &arguments.image {
        for frame in frames(file, fps)? {
            let (pixels, grid) = processor.image_pixels(&frame.image, processor.splits_images())?;
            content.push(Content::Image(grid));
            match &mut all {
                Some(all) => {
                    all.values.extend(pixels.values);
                    all.tiles += pixels.tiles;
                }
                None => all = Some(pixels),
            }
        }
    }
    Ok((content, all))
}

fn frames(spec: &str, fps: f64) -> Result<Vec<Frame>, RunError> {
    let mut source = prospect_source::open(spec, SourceOptions::at(fps))?;
    std::iter::from_fn(|| source.next_frame()).map(|frame| Ok(frame?)).collect()
}
