//! References as token ids, as if the model had said them.

use crate::error::SessionError;
use crate::language::Language;
use crate::options::{Reference, SessionOptions};

/// Times are quotients. A difference below this part of a frame is a rounding error.
pub(crate) const ROUNDING: f64 = 1e-6;

/// The ids of a reference, as if the model had said it.
pub(crate) fn reference_ids(language: &dyn Language, text: &str) -> Result<Vec<u32>, SessionError> {
    let mut ids = language.encode_generation_prompt()?.ids;
    ids.extend(language.encode_text(&format!(" {text}"))?);
    ids.push(language.end_of_utterance());
    Ok(ids)
}

/// The number of tokens of the longest reference, or of several references that may belong to one frame.
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
