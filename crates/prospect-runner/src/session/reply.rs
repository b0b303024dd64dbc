//! Replies: generated at a frame, asked for by a prompt, or replaced by the references.

use prospect_context::{Role, SegmentKind};
use prospect_processor::Encoded;

use super::chunk::Chunk;
use super::talk::Turn;
use super::{Reply, Session};
use crate::annotations::{Annotations, Message};
use crate::error::RunError;
use crate::source::Frame;
use crate::stream_model::{AfterPrefill, Generated, StreamModel};
use crate::trace::{Event, SegmentEntry};

impl<M: StreamModel> Session<'_, M> {
    /// Accounts generated tokens: all but the last are in the cache, the last is pending. Returns them if they are a reply.
    pub(super) fn take_generated(
        &mut self,
        generated: &Generated,
        time: f64,
        entries: &mut Vec<SegmentEntry>,
    ) -> Option<Vec<u32>> {
        let (last, cached) = generated.token_ids.split_last()?;
        self.pending = vec![*last];
        if !cached.is_empty() {
            self.ledger.append(SegmentKind::Assistant, cached.len(), time, false);
            entries.push(SegmentEntry::new(SegmentKind::Assistant, cached.len(), false));
        }
        (!generated.silent).then(|| generated.token_ids.clone())
    }

    /// Puts what asks for a reply in, and generates the reply.
    pub(super) fn prompted_reply(
        &mut self,
        turn: &Turn,
        max_new_tokens: usize,
        time: f64,
        entries: &mut Vec<SegmentEntry>,
    ) -> Result<Vec<u32>, RunError> {
        let mut chunk = Chunk::default();
        if let Some(prompt) = &turn.prompt {
            chunk.push(&self.model.encode_message(Role::User, prompt, false)?, false);
        }
        let start = match &turn.generation_prompt {
            Some(text) => Encoded::single(SegmentKind::Assistant, self.model.encode_text(text)?),
            None => self.model.encode_generation_prompt()?,
        };
        chunk.push(&start, false);
        let generated = self.model.step(&chunk.ids, None, &AfterPrefill::Reply { max_new_tokens })?;
        self.account(&chunk, time, None, entries)?;
        Ok(self.take_generated(&generated, time, entries).unwrap_or_default())
    }

    /// Takes a reply back out of the cache and lets the reference of this frame, or silence, go in with the next one.
    pub(super) fn put_reference_instead(
        &mut self,
        tokens_before_reply: usize,
        proactive: bool,
        time: f64,
    ) -> Result<(), RunError> {
        self.model.truncate(tokens_before_reply)?;
        self.ledger.truncate(tokens_before_reply);
        self.pending.clear();
        let references = self.annotations.into_iter().flat_map(Annotations::references);
        // Those to which this frame is the nearest, as the evaluation has it; of two that are as near, the later one counts.
        let near = |reference: &&Message| (reference.time - time) * self.options.fps < 0.5 - ROUNDING;
        let past: Vec<_> = references.skip(self.next_reference).take_while(near).collect();
        // What was said before the first frame is none of this stream.
        let first = self.statistics.frames == 0;
        let said = past.iter().filter(|reference| !first || reference.time >= time);
        // Those of one frame are one, as for the evaluation.
        let mut said: Vec<&str> = said.map(|reference| reference.text.as_str()).collect();
        self.next_reference += past.len();
        let room = self.budget.max_reply_tokens - self.prompt_room;
        let mut ids = reference_ids(self.model, &said.join(" "))?;
        // Many at once, after frames that were dropped, need not fit: the last ones count.
        while said.len() > 1 && ids.len() > room {
            said.remove(0);
            ids = reference_ids(self.model, &said.join(" "))?;
        }
        if !said.is_empty() {
            self.deferred.push((SegmentKind::Assistant, ids));
        } else if proactive {
            self.pending.push(self.model.end_of_utterance());
        }
        Ok(())
    }

    /// Cleans and records a reply; one of special tokens alone is none.
    pub(super) fn reply(&mut self, frame: &Frame, token_ids: Vec<u32>) -> Result<Option<Reply>, RunError> {
        let text = self.model.clean_reply(&token_ids)?;
        if text.is_empty() {
            return Ok(None);
        }
        self.statistics.replies += 1;
        let reply = Reply { frame: frame.index, time: frame.time, text: text.clone() };
        self.trace.record(&Event::Reply { frame: frame.index, time: frame.time, text, token_ids })?;
        Ok(Some(reply))
    }
}

/// Times are quotients; a part of a frame below this is rounding, not time.
const ROUNDING: f64 = 1e-6;

/// A reference as the model would have said it.
fn reference_ids<M: StreamModel>(model: &M, text: &str) -> Result<Vec<u32>, RunError> {
    let mut ids = model.encode_generation_prompt()?.ids;
    ids.extend(model.encode_text(&format!(" {text}"))?);
    ids.push(model.end_of_utterance());
    Ok(ids)
}

/// Tokens of the longest reference, or of several that may belong to one frame.
pub(super) fn longest_reference<M: StreamModel>(
    model: &M,
    annotations: Option<&Annotations>,
    fps: f64,
) -> Result<usize, RunError> {
    let references: Vec<_> = annotations.into_iter().flat_map(Annotations::references).collect();
    let mut longest = 0;
    for (index, first) in references.iter().enumerate() {
        let within = |other: &&&Message| (other.time - first.time) * fps < 1.0 + ROUNDING;
        let together = references[index..].iter().take_while(within);
        let text = together.map(|reference| reference.text.as_str()).collect::<Vec<_>>().join(" ");
        longest = longest.max(reference_ids(model, &text)?.len());
    }
    Ok(longest)
}
