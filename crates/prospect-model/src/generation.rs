//! A reply in progress, as a state machine: it says what goes into the model next, and takes the
//! model's answer.
//!
//! It computes nothing and never waits. A scheduler can therefore put tokens of many replies into one
//! pass, interleave them, or suspend a reply in the middle: [`Generation`] and
//! [`GeneratorMemory`](crate::GeneratorMemory) are its whole state besides the cache. All rules of a
//! reply are here. [`Generator::generate`] is the loop over it for one stream.

use serde::{Deserialize, Serialize};

use crate::answer::{Found, Wanted};
use crate::error::GenerationError;
use crate::generator::{Generator, TalkRule};
use crate::sampling::{Choice, argmax};

/// Why generation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The talk decision was silence.
    Silence,
    /// The model ended the utterance.
    EndOfUtterance,
    /// The limit of new tokens was reached.
    MaxNewTokens,
    /// The cache has no free slot.
    CacheFull,
}

/// A generated reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The token ids, including the one that ended the utterance. All but the last are in the cache.
    pub token_ids: Vec<u32>,
    /// Probability of silence at the first token, from 0 to 1.
    pub not_talk_probability: f32,
    /// Why generation stopped.
    pub stop: StopReason,
}

/// What the next step of a reply puts into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The chunk that the reply answers.
    Chunk,
    /// This token of the reply.
    Word(u32),
    /// Nothing: the reply is finished for this reason.
    Finished(StopReason),
}

/// A reply in progress, made by [`Generator::begin`]. The same generator, or one with the same memory,
/// must continue it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    rule: Option<TalkRule>,
    max_new_tokens: usize,
    token_ids: Vec<u32>,
    not_talk_probability: f32,
    stage: Stage,
}

/// State of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// The chunk is not in the cache yet.
    Chunk,
    /// This token was picked and is not in the cache yet.
    Word(u32),
    Finished(StopReason),
}

impl Generator {
    /// Begins a reply as [`Self::generate`] does, for a caller that puts the chunk and the tokens into
    /// the cache step by step.
    pub fn begin(&self, rule: Option<TalkRule>, max_new_tokens: usize) -> Generation {
        Generation::new(rule, max_new_tokens)
    }
}

impl Generation {
    fn new(rule: Option<TalkRule>, max_new_tokens: usize) -> Self {
        Self { rule, max_new_tokens, token_ids: Vec::new(), not_talk_probability: 0.0, stage: Stage::Chunk }
    }

    /// What goes into the cache next.
    pub fn next(&self) -> Next {
        match self.stage {
            Stage::Chunk => Next::Chunk,
            Stage::Word(id) => Next::Word(id),
            Stage::Finished(stop) => Next::Finished(stop),
        }
    }

    /// What to ask the model when that goes in. More informative answers are accepted too: logits in
    /// all cases, and a choice instead of the likeliest token.
    pub fn wanted(&self, generator: &Generator) -> Wanted {
        match (generator.is_greedy(), self.stage) {
            (false, _) => Wanted::Logits,
            (true, Stage::Chunk) => Wanted::Choice { silence: generator.end_of_utterance },
            (true, _) => Wanted::Likeliest,
        }
    }

    /// The token ids so far; all but the last are in the cache.
    pub fn token_ids(&self) -> &[u32] {
        &self.token_ids
    }

    /// Probability of silence at the talk decision, after it was made.
    pub fn decided(&self) -> Option<f32> {
        self.rule.filter(|_| self.stage != Stage::Chunk).map(|_| self.not_talk_probability)
    }

    /// Why the reply stopped, if it has.
    pub fn stop(&self) -> Option<StopReason> {
        match self.stage {
            Stage::Finished(stop) => Some(stop),
            Stage::Chunk | Stage::Word(_) => None,
        }
    }

    /// Ends the reply and returns it. `stop` is the reason from [`Next::Finished`], or the reason for
    /// aborting.
    pub fn into_generated(self, stop: StopReason) -> Generated {
        let Self { token_ids, not_talk_probability, .. } = self;
        Generated { token_ids, not_talk_probability, stop }
    }

    /// Takes the model's answer about the token after the last input: after the chunk this is the talk
    /// decision and the first token, later it is the next token. `room` is the number of tokens that
    /// still fit into the cache.
    ///
    /// # Errors
    /// [`GenerationError`]; nothing is changed then.
    pub fn take(
        &mut self,
        generator: &mut Generator,
        found: Found<'_>,
        room: usize,
    ) -> Result<(), GenerationError> {
        if self.stop().is_some() {
            return Err(GenerationError::Finished);
        }
        match (self.wanted(generator), found) {
            (Wanted::Logits, Found::Logits(logits)) => self.draw(generator, logits, room),
            (Wanted::Choice { silence }, Found::Logits(logits)) => {
                self.choose(generator, Choice::of(logits, silence), room);
            }
            (Wanted::Choice { .. }, Found::Choice(choice)) => self.choose(generator, choice, room),
            (Wanted::Likeliest, Found::Logits(logits)) => self.say(generator, argmax(logits), room),
            (Wanted::Likeliest, Found::Choice(choice)) => self.say(generator, choice.likeliest, room),
            (Wanted::Likeliest, Found::Likeliest(id)) => self.say(generator, id, room),
            (wanted, _) => return Err(GenerationError::NotEnough { wanted }),
        }
        Ok(())
    }

    /// Draws the next token at random. The talk decision is not random: it fixes the logit of silence
    /// before the draw.
    fn draw(&mut self, generator: &mut Generator, logits: &mut [f32], room: usize) {
        if self.stage == Stage::Chunk {
            let silence = generator.end_of_utterance;
            let silent = self.decide(generator, Choice::of(logits, silence));
            if let (Some(silent), Some(logit)) = (silent, logits.get_mut(silence as usize)) {
                *logit = if silent { 1e4 } else { -1e4 };
            }
        }
        // No random number is drawn for a token that is not generated.
        if self.stop().is_none() {
            let id = generator.pick(logits);
            self.say(generator, id, room);
        }
    }

    /// Picks the first token: the likeliest one that the talk decision allows.
    fn choose(&mut self, generator: &mut Generator, choice: Choice, room: usize) {
        let id = match self.decide(generator, choice) {
            None => choice.likeliest,
            Some(true) => generator.end_of_utterance,
            Some(false) => choice.other,
        };
        if self.stop().is_none() {
            self.say(generator, id, room);
        }
    }

    /// Makes the talk decision, if there is a rule. Finishes the reply if no token is allowed.
    fn decide(&mut self, generator: &mut Generator, choice: Choice) -> Option<bool> {
        self.not_talk_probability = choice.silence;
        if self.max_new_tokens == 0 {
            self.stage = Stage::Finished(StopReason::MaxNewTokens);
        }
        self.rule.map(|rule| generator.decides_for_silence(rule, choice))
    }

    /// Appends a token, and finishes the reply if this token ends it.
    fn say(&mut self, generator: &Generator, id: u32, room: usize) {
        self.token_ids.push(id);
        let stop = if id == generator.end_of_utterance {
            let silent = self.token_ids.len() == 1 && self.rule.is_some();
            Some(if silent { StopReason::Silence } else { StopReason::EndOfUtterance })
        } else if generator.ends_reply(id) {
            Some(StopReason::EndOfUtterance)
        } else if self.token_ids.len() >= self.max_new_tokens {
            Some(StopReason::MaxNewTokens)
        } else {
            (room == 0).then_some(StopReason::CacheFull)
        };
        self.stage = stop.map_or(Stage::Word(id), Stage::Finished);
    }
}
