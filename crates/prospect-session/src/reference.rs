//! References as the model would have said them.

use crate::error::SessionError;
use crate::language::Language;
use crate::options::{Reference, SessionOptions};

/// Times are quotients; a part of a frame below this is rounding, not time.
pub(crate) const ROUNDING: f64 = 1e-6;

/// A reference as the model would have said it.
pub(crate) fn reference_ids(language: &dyn Language, text: &str) -> Result<Vec<u32>, SessionError> {
    let mut ids = language.encode_generation_prompt()?.ids;
    ids.extend(language.encode_text(&format!(" {text}"))?);
    ids.push(language.end_of_utterance());
    Ok(ids)
}

/// Tokens of the longest reference, or of several that may belong to one frame.
pub(crate) fn longest_reference(
    language: &dyn Language,
    options: &SessionOptions,
) -> Result<usize, SessionError> {
    let mut longest = 0;
    for (index, first) in options.references.iter().enumerate() {
        let within = |other: &&Reference| (other.time - first.time) * options.fps < 1.0 + ROUNDING;
        let together = options.references[index..].iter().take_while(within);
        let text = together.map(|reference| reference.text.as_str()).collect::<Vec<_>>().join(" ");
        longest = longest.max(reference_ids(language, &text)?.len());
    }
    Ok(longest)
}
