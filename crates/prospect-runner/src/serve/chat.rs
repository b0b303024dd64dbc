//! Answers a conversation of the server at once.

use prospect_config::Settings;
use prospect_model::StopReason;
use prospect_processor::{Content, Message, Pixels, Processor, RgbImage};
use prospect_server::{Chat, ChatAnswer, ChatPart, ChatVideo};

use crate::answer::{Answer, Pictures, answer as one_answer};
use crate::checkpoint::Checkpoint;
use crate::error::RunError;

/// Answers a conversation. `hear` gets words as soon as they are final, and returns whether the client
/// still wants more.
pub(super) fn answer(
    checkpoint: &Checkpoint,
    settings: &Settings,
    chat: &Chat,
    hear: &mut dyn FnMut(&str) -> bool,
) -> Result<ChatAnswer, RunError> {
    let (model, processor) = (&checkpoint.model, &checkpoint.processor);
    let (messages, pixels) = contents(processor, chat)?;
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

/// The messages for the chat template, and the pixels of all pictures in order.
fn contents(processor: &Processor, chat: &Chat) -> Result<(Vec<Message>, Option<Pixels>), RunError> {
    let (mut messages, mut pictures) = (Vec::new(), Pictures::default());
    for message in &chat.messages {
        let part = |part: &ChatPart| match part {
            ChatPart::Text(text) => Ok(Content::Text(text.clone())),
            ChatPart::Image(image) => pictures.add(processor, image),
            ChatPart::Video(ChatVideo { frames, fps }) => {
                let timestamps = frames.iter().map(|(time, _)| *time).collect();
                let images: Vec<RgbImage> = frames.iter().map(|(_, image)| RgbImage::clone(image)).collect();
                pictures.add_video(processor, (timestamps, &images), *fps)
            }
        };
        let content = message.parts.iter().map(part).collect::<Result<_, RunError>>()?;
        messages.push(Message { role: message.role, content });
    }
    Ok((messages, pictures.0))
}
