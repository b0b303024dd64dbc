//! Answers a conversation of the server at once.

use prospect_config::Settings;
use prospect_context::PositionPolicy;
use prospect_model::StopReason;
use prospect_processor::{Content, Message, Pixels, Processor};
use prospect_server::{Chat, ChatAnswer, ChatPart, ChatVideo};

use super::shared::SharedModel;
use crate::answer::{Answer, Pictures, answer as one_answer};
use crate::error::RunError;

/// Answers a conversation. `hear` gets words as soon as they are final, and returns whether the client
/// still wants more.
///
/// # Errors
/// The conversation is too long, or there is no room for its cache beside those of the streams.
pub(super) fn answer(
    SharedModel { checkpoint, engine, .. }: &SharedModel,
    settings: &Settings,
    chat: &Chat,
    hear: &mut dyn FnMut(&str) -> bool,
) -> Result<ChatAnswer, RunError> {
    let (model, processor) = (&checkpoint.model, &checkpoint.processor);
    let positions = model.config().text_config.max_position_embeddings;
    let (messages, pixels) = contents(processor, chat, positions)?;
    let prompt = processor.encode_prompt(&messages, true)?;
    let most = chat.max_tokens.unwrap_or(settings.generation.max_new_tokens);
    let capacity = prompt.ids.len().saturating_add(most);
    if most == 0 || capacity > positions {
        let problem = format!("{} tokens, and an answer of at most {most}", prompt.ids.len());
        return Err(too_long(problem, positions));
    }
    let bytes_per_token = model.cache_bytes_per_token(PositionPolicy::default());
    let _reserved = engine.reserve(capacity.saturating_mul(bytes_per_token) as u64)?;
    let mut told = String::new();
    let Answer { token_ids, stop } =
        one_answer(checkpoint, settings, (&prompt.ids, pixels.as_ref()), most, |ids| {
            Ok(tell(&mut told, &processor.clean_reply_so_far(ids)?, hear))
        })?;
    if stop.is_some() {
        tell(&mut told, &processor.clean_reply(&token_ids)?, hear);
    }
    let is_cut = matches!(stop, Some(StopReason::MaxNewTokens | StopReason::CacheFull));
    Ok(ChatAnswer { prompt_tokens: prompt.ids.len(), answer_tokens: token_ids.len(), is_cut })
}

/// Passes on the new part of `text`. Returns whether the client still wants more.
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

fn too_long(problem: String, positions: usize) -> RunError {
    let expected = format!("both within the model's {positions} positions, and an answer of one at least");
    RunError::Argument { argument: "messages".to_owned(), problem, expected }
}

/// The messages for the chat template, and the pixels of all pictures in order.
///
/// # Errors
/// A picture has no pixels, or the pictures alone take more than the model's `positions`: then the
/// pixels of the others are not computed.
fn contents(
    processor: &Processor,
    chat: &Chat,
    positions: usize,
) -> Result<(Vec<Message>, Option<Pixels>), RunError> {
    let (mut messages, mut pictures) = (Vec::new(), Pictures::default());
    for message in &chat.messages {
        let part = |part: &ChatPart| {
            let content = match part {
                ChatPart::Text(text) => Content::Text(text.clone()),
                ChatPart::Image(image) => pictures.add(processor, image)?,
                ChatPart::Video(ChatVideo { frames, fps }) => {
                    let frames = frames.iter().map(|(time, image)| (*time, image.as_ref()));
                    pictures.add_video(processor, frames, *fps)
                }
            };
            let tiles = pictures.0.as_ref().map_or(0, |pixels| pixels.tiles);
            let tokens = tiles.saturating_mul(processor.image_seq_len());
            match tokens >= positions {
                true => {
                    Err(too_long(format!("pictures of {tokens} tokens or more, and an answer"), positions))
                }
                false => Ok(content),
            }
        };
        let content = message.parts.iter().map(part).collect::<Result<_, RunError>>()?;
        messages.push(Message { role: message.role, content });
    }
    Ok((messages, pictures.0))
}
