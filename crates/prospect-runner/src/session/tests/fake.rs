//! A model that says what it is told to.

use std::time::Duration;

use image::RgbImage;
use prospect_config::{Layers, Settings};
use prospect_context::{PositionPolicy, Role, SegmentKind};
use prospect_model::StoredTensors;
use prospect_processor::Encoded;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::annotations::Annotations;
use crate::error::RunError;
use crate::picture::Picture;
use crate::session::{ContextRule, Reply, Session, SessionOptions};
use crate::source::Frame;
use crate::strategies::Registry;
use crate::stream_model::{
    AfterPrefill, Evicted, ForkRequest, Generated, ResolvedPiece, ResumedModel, StreamModel, SuspendedModel,
};
use crate::suspend::UnfitError;
use crate::trace::Event;

pub(super) const END: u32 = 1000;
pub(super) const IMAGE: u32 = 1001;
/// A text that the fake's tokenizer refuses.
pub(super) const REFUSED: &str = "a word that no tokenizer knows";
/// Tokens around a message: start, role, end.
const AROUND_MESSAGE: usize = 3;

/// Every byte is a token; a frame is `frame_tokens` image tokens.
pub(super) struct FakeModel {
    pub(super) cache: Vec<u32>,
    pub(super) capacity: usize,
    pub(super) frame_tokens: usize,
    /// Per decision, the length of the reply with its end; 1 = silence. Repeats.
    pub(super) reply_lengths: Vec<usize>,
    /// Length of every answer on a fork, with its end.
    pub(super) fork_length: usize,
    pub(super) fork_prompts: Vec<String>,
    /// How long an answer on a fork takes.
    pub(super) fork_pause: Duration,
    /// Frames that were encoded.
    pub(super) encoded: usize,
    decisions: usize,
}

impl FakeModel {
    pub(super) fn new(
        capacity: usize,
        frame_tokens: usize,
        reply_lengths: &[usize],
        fork_length: usize,
    ) -> Self {
        let reply_lengths = reply_lengths.to_vec();
        let (cache, fork_prompts) = (Vec::new(), Vec::new());
        let (encoded, decisions, fork_pause) = (0, 0, Duration::ZERO);
        Self {
            cache,
            capacity,
            frame_tokens,
            reply_lengths,
            fork_length,
            fork_prompts,
            fork_pause,
            encoded,
            decisions,
        }
    }

    /// The bytes of the cache as text; a frame's image tokens show as `#`.
    pub(super) fn text(&self) -> String {
        readable(&self.cache)
    }

    fn put(&mut self, ids: &[u32]) {
        self.cache.extend_from_slice(ids);
        assert!(
            self.cache.len() <= self.capacity,
            "{} tokens in a cache of {}",
            self.cache.len(),
            self.capacity
        );
    }

    /// All but the last token of an answer go into the cache, as with a real model.
    fn answer(&mut self, length: usize, max_new_tokens: usize) -> Vec<u32> {
        let mut ids = vec![u32::from(b'a'); length.saturating_sub(1)];
        ids.push(END);
        ids.truncate(max_new_tokens);
        let cached = ids[..ids.len() - 1].to_vec();
        self.put(&cached);
        ids
    }
}

pub(super) fn readable(ids: &[u32]) -> String {
    let show = |id: &u32| match *id {
        END => '|',
        IMAGE => '#',
        byte => char::from(byte as u8),
    };
    ids.iter().map(show).collect()
}

fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

/// Nothing can be done before its turn.
pub(super) fn picture(frame: &Frame) -> Picture<()> {
    Picture::new(&frame.image, ())
}

#[derive(Serialize, Deserialize)]
struct Memory {
    cache: Vec<u32>,
    decisions: usize,
    fork: Option<FakeFork>,
    last_frame: bool,
}

/// An answer in the making: what the cache held, then the question and what has been said.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FakeFork {
    cache: Vec<u32>,
    answered: usize,
}

impl StreamModel for FakeModel {
    type Prepared = ();
    type Features = ();
    type Fork = FakeFork;

    fn encode(&mut self, (): ()) -> Result<(), RunError> {
        self.encoded += 1;
        Ok(())
    }

    fn cache_tokens(&self) -> usize {
        self.cache.len()
    }

    fn step(&mut self, ids: &[u32], _: Option<&()>, after: &AfterPrefill) -> Result<Generated, RunError> {
        self.put(ids);
        let (decided, max_new_tokens) = match after {
            AfterPrefill::Nothing => return Ok(Generated::default()),
            AfterPrefill::Decide { max_new_tokens } => (true, *max_new_tokens),
            AfterPrefill::Reply { max_new_tokens } => (false, *max_new_tokens),
        };
        let length = self.reply_lengths[self.decisions % self.reply_lengths.len()];
        self.decisions += 1;
        let token_ids = self.answer(length, max_new_tokens);
        let silent = decided && token_ids == [END];
        Ok(Generated { token_ids, not_talk_probability: decided.then_some(0.5), silent })
    }

    fn generate_on_fork(&mut self, request: &ForkRequest<'_, ()>) -> Result<Vec<u32>, RunError> {
        self.fork_prompts.push(readable(request.ids));
        std::thread::sleep(self.fork_pause);
        let before = self.cache.len();
        self.put(request.ids);
        let ids = self.answer(self.fork_length, request.max_new_tokens);
        self.cache.truncate(before);
        Ok(ids)
    }

    fn fork(&mut self, ids: &[u32]) -> Result<FakeFork, RunError> {
        self.fork_prompts.push(readable(ids));
        Ok(FakeFork { cache: [&self.cache, ids].concat(), answered: 0 })
    }

    fn continue_fork(&mut self, fork: &mut FakeFork, max_new_tokens: usize) -> Result<Vec<u32>, RunError> {
        let letters = (fork.answered..self.fork_length.saturating_sub(1))
            .map(|index| u32::from(b'a') + index as u32 % 26);
        let answer: Vec<u32> = letters.chain([END]).take(max_new_tokens).collect();
        fork.answered += answer.len();
        fork.cache.extend(&answer);
        assert!(fork.cache.len() <= self.capacity + 1, "the last token is not in the cache");
        Ok(answer)
    }

    fn fork_tokens(&self, fork: &FakeFork) -> usize {
        fork.cache.len().min(self.capacity)
    }

    fn similarity(&self, (): &(), (): &()) -> Result<f64, RunError> {
        Ok(if self.decisions.is_multiple_of(5) { 0.1 } else { 0.99 })
    }

    fn evict(&mut self, pieces: &[ResolvedPiece], _: PositionPolicy) -> Result<Evicted, RunError> {
        let old = std::mem::take(&mut self.cache);
        for piece in pieces {
            match piece {
                ResolvedPiece::Keep(range) => self.put(&old[range.clone()]),
                ResolvedPiece::Tokens(ids) => self.put(ids),
            }
        }
        Ok(Evicted { tokens_after: self.cache.len(), positions_reset: false })
    }

    fn truncate(&mut self, tokens: usize) -> Result<(), RunError> {
        self.cache.truncate(tokens);
        Ok(())
    }

    fn suspend<'a>(
        &'a self,
        fork: Option<&'a FakeFork>,
        last_frame: Option<&'a ()>,
    ) -> Result<SuspendedModel<'a>, RunError> {
        let memory = Memory {
            cache: self.cache.clone(),
            decisions: self.decisions,
            fork: fork.cloned(),
            last_frame: last_frame.is_some(),
        };
        Ok(SuspendedModel { description: serde_json::to_value(memory).unwrap(), tensors: Vec::new() })
    }

    fn resume(
        &mut self,
        description: &Value,
        _: &StoredTensors,
    ) -> Result<ResumedModel<FakeFork, ()>, UnfitError> {
        let Memory { cache, decisions, fork, last_frame } = Memory::deserialize(description)?;
        (self.cache, self.decisions) = (cache, decisions);
        Ok(ResumedModel { fork, last_frame: last_frame.then_some(()) })
    }

    fn encode_message(&self, role: Role, text: &str, _: bool) -> Result<Encoded, RunError> {
        if text == REFUSED {
            return Err(RunError::Argument {
                argument: text.to_owned(),
                problem: "is refused".to_owned(),
                expected: "another".to_owned(),
            });
        }
        let letter = role.as_str()[..1].to_uppercase();
        let ids = [bytes("<"), bytes(&letter), bytes(text), vec![END]].concat();
        assert_eq!(ids.len(), text.len() + AROUND_MESSAGE);
        Ok(Encoded::single(SegmentKind::from(role), ids))
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, RunError> {
        Ok(Encoded::single(SegmentKind::Assistant, bytes("A:")))
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, RunError> {
        let text = time.map(|time| format!("@{time}")).unwrap_or_default();
        Ok(Encoded::single(SegmentKind::Frame, [bytes(&text), vec![IMAGE; self.frame_tokens]].concat()))
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, RunError> {
        Ok(bytes(text))
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, RunError> {
        Ok(readable(ids).replace('|', "").trim().to_owned())
    }

    fn end_of_utterance(&self) -> u32 {
        END
    }
}

/// What a run over the fake left behind.
pub(super) struct Run {
    pub(super) replies: Vec<Reply>,
    pub(super) events: Vec<Event>,
    pub(super) error: Option<RunError>,
}

/// Settings over the defaults; `key=value` each.
pub(super) fn settings(sets: &[&str]) -> Settings {
    let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
    layers.resolve().unwrap()
}

/// Streams `frames` frames at two a second; checks after each that ledger and cache agree.
pub(super) fn run(
    model: &mut FakeModel,
    settings: &Settings,
    annotations: Option<&Annotations>,
    frames: usize,
) -> Run {
    let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
    let options = SessionOptions::new(settings, annotations);
    let mut events = Vec::new();
    let mut replies = Vec::new();
    let mut error = None;
    match Session::new(model, &rule, &options, annotations, &mut events) {
        Err(refusal) => error = Some(refusal),
        Ok(mut session) => {
            for index in 0..frames {
                let image = RgbImage::new(1, 1);
                let frame = Frame { index, time: index as f64 / 2.0, image: image.into(), name: None };
                match session.frame(&frame, picture(&frame)) {
                    Ok(reply) => replies.extend(reply),
                    Err(failure) => {
                        session.fail(&failure).unwrap();
                        error = Some(failure);
                        break;
                    }
                }
                assert_eq!(session.ledger.tokens(), session.model.cache_tokens(), "frame {index}");
            }
            if error.is_none() {
                session.finish().unwrap();
            }
        }
    }
    Run { replies, events, error }
}
