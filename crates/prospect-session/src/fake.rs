//! A fake model without weights, which says what a test tells it to say. It is meant for tests of code that
//! drives a session.
//!
//! Every byte of a text is a token, and a frame is a row of image tokens. The content of the cache can be
//! read as text.

use std::time::Duration;

use prospect_config::{Layers, Settings, SettingsError};
use prospect_context::strategies::BUILT_IN;
use prospect_context::{Encoded, Role, SegmentKind};
use serde::{Deserialize, Serialize};

use crate::event::{Event, SCHEMA_VERSION, Versions};
use crate::language::{Language, LanguageError, UserTurn};
use crate::options::TaskStep;
use crate::work::{Done, Evicted, ResolvedPiece, Said, Then, Work};

/// Every built-in strategy under which a stream never ends, and the baseline `none`.
pub fn strategies() -> Vec<&'static str> {
    BUILT_IN.iter().map(|strategy| strategy.name).chain(["none"]).collect()
}

/// Every talk policy.
pub const TALKS: [&str; 5] = ["proactive", "on_transition", "every", "on_change", "on_request"];

/// Settings under which all these strategies and policies fit into a cache of a few hundred tokens, changed
/// by the `further` settings, each `key=value`.
///
/// # Errors
/// The error of a setting in `further`.
pub fn small_settings(further: &[&str]) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new();
    for set in [
        "context.reserved_seq_len=40",
        "generation.max_new_tokens=16",
        "stream.on_transition.detection_prompt=step?",
        "stream.every.seconds=1.5",
        "stream.system_prompt=Help.",
    ] {
        layers = layers.set(set)?;
    }
    for strategy in BUILT_IN {
        for (name, value) in strategy.example(60, 20).iter() {
            layers = layers.set(&format!("context.{}.{name}={value}", strategy.name))?;
        }
    }
    further.iter().try_fold(layers, |layers, set| layers.set(set))?.resolve()
}

/// Forty steps of a task, each of `step_frames` frames at two frames per second.
pub fn steps(step_frames: usize) -> Vec<TaskStep> {
    let length = step_frames as f64 / 2.0;
    let step = |k: usize| TaskStep {
        name: format!("step {k}"),
        start: k as f64 * length,
        end: (k + 1) as f64 * length,
    };
    (0..40).map(step).collect()
}

/// The first event of a trace. It tells the laws whether the stateless baseline resets its cache at every
/// frame.
pub fn started(strategy: &str) -> Event {
    let none = || "none".to_owned();
    Event::RunStarted {
        schema_version: SCHEMA_VERSION,
        config: serde_json::Value::default(),
        model: "fake".to_owned(),
        commit: None,
        source: none(),
        device: none(),
        threads: 1,
        dtype: none(),
        strategy: strategy.to_owned(),
        kv_bytes_per_token: 0,
        versions: Versions { prospect: none() },
    }
}

/// An event as JSON, without the measurements of the machine.
pub fn without_measurements(event: &Event) -> String {
    let mut event = serde_json::to_value(event).unwrap_or_default();
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|key, _| !key.ends_with("ms") && !key.ends_with("_bytes"));
    }
    event.to_string()
}

/// The token that ends an utterance. As a decision it means silence.
pub const END: u32 = 1000;
/// The image token: a frame is a row of them.
pub const IMAGE: u32 = 1001;
/// A text that the tokenizer refuses.
pub const REFUSED: &str = "a word that no tokenizer knows";

/// The fake's tokenizer and chat template: `<U`, the bytes, [`END`]; a reply begins behind `A:`. Behind a reply in a dialogue with
/// frames in the user's turn stands `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FakeLanguage {
    /// The number of image tokens of a frame.
    pub frame_tokens: usize,
}

/// Token ids as text: `|` is the end of an utterance, and `#` is an image token.
pub fn readable(ids: &[u32]) -> String {
    let show = |id: &u32| match *id {
        END => '|',
        IMAGE => '#',
        byte => u8::try_from(byte).map_or('?', char::from),
    };
    ids.iter().map(show).collect()
}

fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

impl Language for FakeLanguage {
    fn encode_message(&self, role: Role, text: &str, _: bool) -> Result<Encoded, LanguageError> {
        if text == REFUSED {
            return Err("is refused".into());
        }
        let letter = role.as_str()[..1].to_uppercase();
        let ids = [bytes("<"), bytes(&letter), bytes(text), vec![END]].concat();
        Ok(Encoded::single(SegmentKind::from(role), ids))
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError> {
        Ok(Encoded::single(SegmentKind::Assistant, bytes("A:")))
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, LanguageError> {
        let text = time.map(|time| format!("@{time}")).unwrap_or_default();
        Ok(Encoded::single(SegmentKind::Frame, [bytes(&text), vec![IMAGE; self.frame_tokens]].concat()))
    }

    fn encode_user_turn(&self, _: bool) -> Result<UserTurn, LanguageError> {
        Ok(UserTurn { opening: bytes("<U"), closing: vec![END], after_reply: bytes("/") })
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        Ok(bytes(text))
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(readable(ids).replace('|', "").trim().to_owned())
    }

    fn end_of_utterance(&self) -> u32 {
        END
    }
}

/// What a fake model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The length of the reply at each decision, in tokens with its end; 1 is silence. The list is used again
    /// from its beginning when it ends.
    pub reply_lengths: Vec<usize>,
    /// The length of every answer on a fork, in tokens with its end.
    pub answer_length: usize,
    /// The time that an answer on a fork takes.
    pub pause: Duration,
}

impl Script {
    /// A script with replies and answers of these lengths, which take no time.
    pub fn new(reply_lengths: &[usize], answer_length: usize) -> Self {
        Self { reply_lengths: reply_lengths.to_vec(), answer_length, pause: Duration::ZERO }
    }
}

/// The cache of one stream of a fake model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FakeCache {
    /// The token ids in the cache.
    pub ids: Vec<u32>,
    /// The most tokens that the cache may hold.
    pub capacity: usize,
    /// The questions that were asked on forks.
    pub questions: Vec<String>,
    /// The number of frames that were encoded.
    pub encoded: usize,
    decisions: usize,
    /// The tokens that are still to be said, the next one last.
    to_say: Vec<u32>,
    /// The token that was said last and is not in the cache yet.
    last: Option<u32>,
    fork: Option<FakeFork>,
}

/// An answer that is being written: the content of the cache, then the question and the tokens so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FakeFork {
    ids: Vec<u32>,
    answered: usize,
}

impl FakeCache {
    /// An empty cache of at most `capacity` tokens.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// The content of the cache as text.
    pub fn text(&self) -> String {
        readable(&self.ids)
    }

    /// Whether an answer is being written on a fork.
    pub fn has_fork(&self) -> bool {
        self.fork.is_some()
    }

    /// Ends the reply that is being generated.
    pub fn cut_reply(&mut self) {
        self.to_say.clear();
        self.last = None;
    }

    /// Does a session's work, with at most `slice` tokens of a reply at a time. Returns `None` for a work
    /// without a result.
    ///
    /// # Panics
    /// If more tokens go in than the cache may hold, which a session must never ask for.
    pub fn perform(&mut self, script: &Script, work: Work, slice: usize) -> Option<Done> {
        Some(match work {
            Work::Encode { reuse, compare } => {
                self.encoded += usize::from(!reuse);
                let similarity = if self.decisions.is_multiple_of(5) { 0.1 } else { 0.99 };
                Done::Encoded { similarity: compare.then_some(similarity) }
            }
            Work::Prefill { ids, then, .. } => Done::Said(self.prefill(script, &ids, then, slice)),
            Work::Decode => Done::Said(self.say(slice, None)),
            Work::Fork { ids } => {
                self.questions.push(readable(&ids));
                self.fork = Some(FakeFork { ids: [&self.ids[..], &ids].concat(), answered: 0 });
                return None;
            }
            Work::ContinueFork { max_new_tokens } => {
                Done::Said(self.continue_fork(script, max_new_tokens.min(slice)))
            }
            Work::CutReply => {
                self.cut_reply();
                return None;
            }
            Work::DropFork => {
                self.fork = None;
                return None;
            }
            Work::Truncate { tokens } => {
                self.ids.truncate(tokens);
                return None;
            }
            Work::Evict { pieces, .. } => {
                let old = std::mem::take(&mut self.ids);
                for piece in pieces {
                    match piece {
                        ResolvedPiece::Keep(range) => self.put(&old[range]),
                        ResolvedPiece::Tokens(ids) => self.put(&ids),
                    }
                }
                let tokens_after = self.ids.len();
                Done::Evicted(Evicted { tokens_after, positions_reset: false, memory_bytes: None })
            }
        })
    }

    fn put(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        let (tokens, capacity) = (self.ids.len(), self.capacity);
        assert!(tokens <= capacity, "{tokens} tokens in a cache of {capacity}");
    }

    fn prefill(&mut self, script: &Script, ids: &[u32], then: Then, slice: usize) -> Said {
        self.put(ids);
        let (length, max_new_tokens, decides) = match then {
            Then::Nothing => return Said { is_finished: true, ..Said::default() },
            Then::Answer { max_new_tokens, .. } => {
                self.questions.push(readable(ids));
                std::thread::sleep(script.pause);
                (script.answer_length, max_new_tokens, false)
            }
            Then::Decide { max_new_tokens } | Then::Reply { max_new_tokens } => {
                let length = script.reply_lengths[self.decisions % script.reply_lengths.len()];
                self.decisions += 1;
                (length, max_new_tokens, matches!(then, Then::Decide { .. }))
            }
        };
        let mut whole = vec![u32::from(b'a'); length.saturating_sub(1)];
        whole.push(END);
        whole.truncate(max_new_tokens);
        whole.reverse();
        (self.to_say, self.last) = (whole, None);
        self.say(slice, decides.then_some(0.5))
    }

    /// All but the last token of a reply go into the cache, as with a real model.
    fn say(&mut self, slice: usize, not_talk_probability: Option<f32>) -> Said {
        let mut token_ids = Vec::new();
        for _ in 0..slice {
            let Some(next) = self.to_say.pop() else { break };
            if let Some(last) = self.last.replace(next) {
                self.put(&[last]);
            }
            token_ids.push(next);
        }
        let silent = not_talk_probability.is_some() && token_ids == [END];
        Said { token_ids, is_finished: self.to_say.is_empty(), silent, not_talk_probability }
    }

    fn continue_fork(&mut self, script: &Script, most: usize) -> Said {
        let Some(fork) = &mut self.fork else { return Said::default() };
        let letters = (fork.answered..script.answer_length.saturating_sub(1))
            .map(|index| u32::from(b'a') + index as u32 % 26);
        let token_ids: Vec<u32> = letters.chain([END]).take(most).collect();
        fork.answered += token_ids.len();
        fork.ids.extend(&token_ids);
        assert!(fork.ids.len() <= self.capacity + 1, "the last token is not in the cache");
        Said { token_ids, ..Said::default() }
    }
}
