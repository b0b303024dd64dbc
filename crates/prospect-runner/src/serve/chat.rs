//! A conversation that is answered at once, with a cache of its own that goes when it is answered.

use prospect_config::Settings;
use prospect_context::PositionPolicy;
use prospect_engine::{pixel_values, sampling_of};
use prospect_model::{Generator, Input, ModelError, Next, StopReason};
use prospect_processor::{Content, Message, Pixels};
use prospect_server::{Chat, ChatAnswer, ChatPart};

use crate::checkpoint::Checkpoint;
use crate::error::RunError;

/// Answers a conversation; `hear` is told words as they are sure, and says whether anybody wants more.
pub(super) fn answer(
    checkpoint: &Checkpoint,
    settings: &Settings,
    chat: &Chat,
    hear: &mut dyn FnMut(&str) -> bool,
) -> Result<ChatAnswer, RunError> {
    let (model, processor) = (&checkpoint.model, &checkpoint.processor);
    let (messages, pixels) = contents(checkpoint, chat)?;
    let prompt = processor.encode_prompt(&messages, true)?;
    let most = chat.max_tokens.unwrap_or(settings.generation.max_new_tokens);
    let capacity = prompt.ids.len().saturating_add(most);
    let positions = model.config().text_config.max_position_embeddings;
    if most == 0 || capacity > positions {
        let problem = format!("{} tokens, and an answer of at most {most}", prompt.ids.len());
        let expected =
            format!("both within the model's {positions} positions, and an answer of one at least");
        return Err(RunError::Argument { argument: "messages".to_owned(), problem, expected });
    }
    let images = pixels.as_ref().map(|pixels| model.encode_image(pixel_values(pixels))).transpose()?;
    let chunk = model.joint_embed(&prompt.ids, images.as_ref())?;
    let mut cache = model.new_cache(capacity, PositionPolicy::default())?;
    let sampling = sampling_of(settings.generation.sampling);
    let mut generator =
        Generator::new(processor.special().end_of_utterance, sampling).ending_at(processor.ends());
    let (mut generation, mut logits) = (generator.begin(None, most), Vec::new());
    let mut told = String::new();
    let stop = loop {
        let input = match generation.next() {
            Next::Chunk => Input::Chunk(&chunk),
            Next::Word(id) => Input::Word(id),
            Next::Finished(stop) => break Some(stop),
        };
        let found = model.put(input, &mut cache, generation.wanted(&generator), &mut logits)?;
        generation.take(&mut generator, found, cache.room()).map_err(ModelError::from)?;
        let sure = processor.clean_reply_so_far(generation.token_ids())?;
        if !tell(&mut told, &sure, hear) {
            break None;
        }
    };
    if stop.is_some() {
        tell(&mut told, &processor.clean_reply(generation.token_ids())?, hear);
    }
    let is_cut = matches!(stop, Some(StopReason::MaxNewTokens | StopReason::CacheFull));
    Ok(ChatAnswer { prompt_tokens: prompt.ids.len(), answer_tokens: generation.token_ids().len(), is_cut })
}

/// Tells what comes behind what was told. Whether anybody wants more.
fn tell(told: &mut String, text: &str, hear: &mut dyn FnMut(&str) -> bool) -> bool {
    match text.strip_prefix(told.as_str()) {
        Some(new) if !new.is_empty() => {
            let wants_more = hear(new);
            told.push_str(new);
            wants_more
        }
        _ => true,
    }
}

/// The conversation for the template, and the pixels of all its pictures in order.
fn contents(checkpoint: &Checkpoint, chat: &Chat) -> Result<(Vec<Message>, Option<Pixels>), RunError> {
    let processor = &checkpoint.processor;
    let mut all: Option<Pixels> = None;
    let mut messages = Vec::new();
    for message in &chat.messages {
        let mut content = Vec::new();
        for part in &message.parts {
            content.push(match part {
                ChatPart::Text(text) => Content::Text(text.clone()),
                ChatPart::Image(image) => {
                    let (pixels, grid) = processor.image_pixels(image, processor.splits_images())?;
                    match &mut all {
                        Some(all) => {
                            all.values.extend(pixels.values);
                            all.tiles += pixels.tiles;
                        }
                        None => all = Some(pixels),
                    }
                    Content::Image(grid)
                }
            });
        }
        messages.push(Message { role: message.role, content });
    }
    Ok((messages, all))
}
