//! References that stand for the replies of the assistant: `stream.reference_context`.

use prospect_context::SegmentKind;

use super::frame::Turn;
use crate::error::SessionError;
use crate::language::Language;
use crate::options::{Reference, SessionOptions};
use crate::session::Session;
use crate::work::Work;

/// Times are quotients; a part of a frame below this is rounding, not time.
const ROUNDING: f64 = 1e-6;

impl Session {
    /// Takes a reply back out of the cache and lets the reference of this frame, or silence, go in with the next one.
    pub(super) fn put_reference_instead(&mut self, turn: &mut Turn) -> Result<(), SessionError> {
        self.works.push_back(Work::Truncate { tokens: turn.before_reply });
        self.account.truncate(turn.before_reply);
        turn.entries.truncate(turn.shown);
        let (time, fps) = (turn.input.time, self.options.fps);
        // Those to which this frame is the nearest, as the evaluation has it; of two that are as near, the later one counts.
        let near = |reference: &&Reference| (reference.time - time) * fps < 0.5 - ROUNDING;
        let past: Vec<&Reference> =
            self.options.references[self.next_reference..].iter().take_while(near).collect();
        // What was said before the first frame is none of this stream.
        let first = self.statistics.frames == 0;
        let said = past.iter().filter(|reference| !first || reference.time >= time);
        // Those of one frame are one, as for the evaluation.
        let mut said: Vec<&str> = said.map(|reference| reference.text.as_str()).collect();
        let room = self.account.budget().max_reply_tokens - self.prompt_room;
        let mut ids = reference_ids(self.language.as_ref(), &said.join(" "))?;
        // Many at once, after frames that were dropped, need not fit: the last ones count.
        while said.len() > 1 && ids.len() > room {
            said.remove(0);
            ids = reference_ids(self.language.as_ref(), &said.join(" "))?;
        }
        self.next_reference += past.len();
        if !said.is_empty() {
            self.account.defer(SegmentKind::Assistant, ids);
        } else if self.talk.is_proactive() {
            self.account.wait(Some(vec![self.language.end_of_utterance()]));
        }
        Ok(())
    }
}

/// A reference as the model would have said it.
fn reference_ids(language: &dyn Language, text: &str) -> Result<Vec<u32>, SessionError> {
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
