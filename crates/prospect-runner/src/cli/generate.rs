//! `prospect-runner generate`: one prompt, one answer.

use prospect_context::Role;
use prospect_processor::{Content, Message, Pixels};
use serde::Serialize;

use super::arguments::GenerateArguments;
use super::say::print;
use crate::answer::{Pictures, answer};
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use prospect_source::{Frame, SourceOptions};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Printed {
    text: String,
    prompt_token_ids: Vec<u32>,
    token_ids: Vec<u32>,
}

pub(super) fn generate(arguments: &GenerateArguments) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print()? else { return Ok(()) };
    let checkpoint = Checkpoint::load(&settings, &Interrupt::default())?;
    let (mut content, pixels) = media(arguments, &checkpoint, settings.stream.fps)?;
    content.push(Content::Text(arguments.prompt.clone()));
    let prompt = checkpoint.processor.encode_prompt(&[Message { role: Role::User, content }], true)?;
    let most = settings.generation.max_new_tokens;
    let generated = answer(&checkpoint, &settings, (&prompt.ids, pixels.as_ref()), most, |_| Ok(true))?;
    let text = checkpoint.processor.clean_reply(&generated.token_ids)?;
    if arguments.json || settings.output.json {
        let printed = Printed { text, prompt_token_ids: prompt.ids, token_ids: generated.token_ids };
        // Strings and integers always serialise.
        print(&serde_json::to_string(&printed).unwrap_or_default());
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
    let (mut content, mut pictures) = (Vec::new(), Pictures::default());
    if let Some(video) = &arguments.video {
        let frames = frames(video, fps)?;
        let tile = |frame: Frame| Ok((frame.time, processor.video_tile(&frame.image)?));
        let tiles = frames.into_iter().map(tile).collect::<Result<Vec<_>, RunError>>()?;
        let clip = pictures.add_video(processor, tiles.iter().map(|(time, tile)| (*time, tile)), fps);
        return Ok((vec![clip], pictures.0));
    }
    for file in &arguments.image {
        for frame in frames(file, fps)? {
            content.push(pictures.add(processor, &frame.image)?);
        }
    }
    Ok((content, pictures.0))
}

fn frames(spec: &str, fps: f64) -> Result<Vec<Frame>, RunError> {
    let mut source = prospect_source::open(spec, SourceOptions::at(fps))?;
    std::iter::from_fn(|| source.next_frame()).map(|frame| Ok(frame?)).collect()
}
