//! The text of replies, as people read them.

use crate::tokens::Tokens;

use crate::error::Result;

/// The text of generated `ids`, without special and image tokens, a leading role (`Assistant:`) and
/// outer white space.
pub(crate) fn clean(tokens: &Tokens, generation_prompt: &str, ids: &[u32]) -> Result<String> {
    let kept: Vec<u32> = ids.iter().copied().filter(|&id| !tokens.is_special(id)).collect();
    let text = tokens.decode(&kept, true)?;
    let role = generation_prompt.trim();
    let mut text = text.trim_matches(is_space);
    while !role.is_empty()
        && let Some(rest) = text.strip_prefix(role)
    {
        text = rest.trim_start_matches(is_space);
    }
    Ok(text.to_owned())
}

/// The part of [`clean`]'s text that is final when a reply begins with `ids`. It excludes what may
/// still become a role, white space at the end, and an incomplete character.
pub(crate) fn clean_so_far(tokens: &Tokens, generation_prompt: &str, ids: &[u32]) -> Result<String> {
    let text = clean(tokens, generation_prompt, ids)?;
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER).trim_end_matches(is_space);
    let may_be_role = generation_prompt.trim().starts_with(text);
    Ok(if may_be_role { String::new() } else { text.to_owned() })
}

/// White space as Python defines it: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
