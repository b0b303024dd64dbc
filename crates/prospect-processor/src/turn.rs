//! The user's turn with a stream of frames in it: what the chat template puts before it, behind it, and behind a reply.

use prospect_context::Role;

use crate::chat::ChatTemplate;
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message, frame_text};
use crate::split::Grid;
use crate::tokens::Tokens;

/// What stands around the frames and the texts of a user's turn, as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTurn {
    /// Before the first frame.
    pub opening: Vec<u32>,
    /// Behind the last frame or text; what makes the model answer follows it.
    pub closing: Vec<u32>,
    /// Behind the token that ends a reply, before the next turn.
    pub after_reply: Vec<u32>,
}

/// A text that shows whether a template puts it in as it is.
const PROBE: &str = "A \"probe\" <of> words.";

/// Takes the turn apart that the template makes of frames and a question. `timed`: each frame has its line of time.
///
/// # Errors
/// [`ProcessorError::NoOpenTurn`] for a template that does not put the parts of a message in one after the other, or whose
/// messages do not end alike: a turn of it cannot grow.
pub(crate) fn user_turn(template: &ChatTemplate, tokens: &Tokens, timed: bool) -> Result<UserTurn> {
    let texts = &tokens.texts;
    let line = |seconds: f64| if timed { frame_text(seconds) } else { Ok(String::new()) };
    let (first, second) = (line(0.0)?, line(61.0)?);
    let refuse = |problem| ProcessorError::NoOpenTurn { problem };
    // A turn within a conversation: what begins one is not part of it.
    let opening = vec![of_text(Role::System, PROBE)];
    let before = template.render(&opening, false, texts)?;
    let render = |messages: &[Message], generate| {
        let rendered = template.render(&[&opening[..], messages].concat(), generate, texts)?;
        let own = rendered.strip_prefix(&before).map(str::to_owned);
        own.ok_or_else(|| refuse("a message changes what stands before it"))
    };

    let one = render(&[of_frames(&[&first], PROBE)], false)?;
    let shown = format!("{first}{}{PROBE}", texts.image);
    let (opening, closing) =
        one.split_once(&shown).ok_or_else(|| refuse("the template rewrites frames or texts"))?;
    let two = render(&[of_frames(&[&first, &second], PROBE)], false)?;
    let without = render(&[of_frames(&[&first], "")], false)?;
    let expected = format!("{opening}{first}{0}{second}{0}{PROBE}{closing}", texts.image);
    if two != expected || without != one.replacen(PROBE, "", 1) {
        return Err(refuse("what stands around a message depends on what is in it"));
    }
    let asked = of_frames(&[&first], PROBE);
    let answered = render(&[asked.clone(), of_text(Role::Assistant, PROBE)], false)?;
    let reply = answered.strip_prefix(&render(&[asked], true)?).and_then(|reply| reply.split_once(PROBE));
    let end = tokens.decode(&[tokens.ids.end_of_utterance], false)?;
    let after_reply = reply.and_then(|(_, behind)| behind.strip_prefix(end.as_str()));
    let after_reply = after_reply.ok_or_else(|| refuse("a reply does not stand behind what asks for it"))?;

    let ids = |text: &str| tokens.encode(text).map(|(ids, _)| ids);
    Ok(UserTurn { opening: ids(opening)?, closing: ids(closing)?, after_reply: ids(after_reply)? })
}

fn of_text(role: Role, text: &str) -> Message {
    Message { role, content: vec![Content::Text(text.to_owned())] }
}

/// Frames behind their lines, then a text; what is empty is left out.
fn of_frames(lines: &[&str], text: &str) -> Message {
    let of_frame = |line: &&str| [Content::Text((*line).to_owned()), Content::Image(Grid::default())];
    let mut content: Vec<Content> = lines.iter().flat_map(of_frame).collect();
    content.push(Content::Text(text.to_owned()));
    content.retain(|item| *item != Content::Text(String::new()));
    Message { role: Role::User, content }
}
