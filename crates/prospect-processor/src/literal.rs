//! Finds a message's text in the rendered output. The name of a special token in such a text is plain
//! text.

use std::ops::Range;

use crate::chat::ChatTemplate;
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message};
use crate::tokens::Tokens;

/// Replaces a text while the template is rendered to find out where it puts the text. No template knows
/// this string, and it has no case or white space that a template could change.
const SENTINEL: &str = "\u{F8FF}0\u{F8FF}";

/// Returns the ranges of `rendered` that hold texts with the name of a special token. Nearly all
/// messages have none.
pub(crate) fn ranges(
    messages: &[Message],
    rendered: &str,
    add_generation_prompt: bool,
    template: &ChatTemplate,
    tokens: &Tokens,
) -> Result<Vec<Range<usize>>> {
    let mut named = Vec::new();
    let masked: Vec<Message> = messages.iter().map(|message| masked(message, tokens, &mut named)).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let masked = template.render(&masked, add_generation_prompt, &tokens.texts)?;
    let rewritten = |text: &str| ProcessorError::TextRewritten { text: text.chars().take(40).collect() };
    let around: Vec<&str> = masked.split(SENTINEL).collect();
    let first = named.first().copied().unwrap_or_default();
    if around.len() != named.len() + 1 || !rendered.starts_with(around[0]) {
        return Err(rewritten(first));
    }
    let (mut ranges, mut from) = (Vec::new(), around[0].len());
    for (text, behind) in named.iter().zip(&around[1..]) {
        // A template may strip a text or change its case.
        let forms = [text.to_string(), text.trim().to_owned(), text.to_uppercase(), text.to_lowercase()];
        let fits = |form: &&String| {
            rendered[from..].strip_prefix(form.as_str()).is_some_and(|rest| rest.starts_with(behind))
        };
        let form = forms.iter().find(fits).ok_or_else(|| rewritten(text))?;
        ranges.push(from..from + form.len());
        from += form.len() + behind.len();
    }
    Ok(ranges)
}

/// Returns the message with the sentinel in place of every such text. The texts are appended to
/// `named`.
fn masked<'a>(message: &'a Message, tokens: &Tokens, named: &mut Vec<&'a str>) -> Message {
    let content = message.content.iter().map(|part| match part {
        Content::Text(text) if tokens.names_special(text) => {
            named.push(text);
            Content::Text(SENTINEL.to_owned())
        }
        other => other.clone(),
    });
    Message { role: message.role, content: content.collect() }
}
