//! A reply in the making, as a machine of small steps: it says what goes into the model next, and is told what the model found.
//!
//! It computes nothing and waits for nothing, so that a scheduler may put words of many replies into one pass, do a few of them at a
//! time, or write a reply down in its middle ([`Generation`] and [`GeneratorMemory`](crate::GeneratorMemory) are all there is of it
//! beside the cache). Every rule of a reply is here; [`Generator::generate`] is the loop over it for one stream.

use serde::{Deserialize, Serialize};

use crate::answer::{Found, Wanted};
use crate::error::GenerationError;
use crate::generator::{Generator, TalkRule};
use crate::sampling::{Choice, argmax};

/// Why generation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The decision was to stay silent.
    Silence,
    /// The end of the utterance.
    EndOfUtterance,
    /// As many tokens as were allowed.
    MaxNewTokens,
    /// No slot left in the cache.
    CacheFull,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The ids, with the one that ended the utterance; all but the last are in the cache.
    pub token_ids: Vec<u32>,
    /// Probability of silence at the first token.
    pub not_talk_probability: f32,
    /// Why it stopped.
    pub stop: StopReason,
}

/// What goes into the cache next for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The chunk that the reply answers.
    Chunk,
    /// This word of the reply.
    Word(u32),
    /// Nothing: the reply is finished, for this reason.
    Finished(StopReason),
}

/// A reply in the making. [`Generator::begin`] makes it, and the same generator, or another one that remembers as much, leads it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    rule: Option<TalkRule>,
    max_new_tokens: usize,
    token_ids: Vec<u32>,
    not_talk_probability: f32,
    stage: Stage,
}

/// Where a reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Before its chunk.
    Chunk,
    /// Before this word, which is picked and not in the cache.
    Word(u32),
    Finished(StopReason),
}

impl Generator {
    /// A reply as [`Self::generate`] makes it, for a caller that puts its chunk and its words into the cache step by step.
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

    /// What to ask of the model when that goes in. It may be given more: logits serve for anything, a choice for the likeliest.
    pub fn wanted(&self, generator: &Generator) -> Wanted {
        match (generator.is_greedy(), self.stage) {
            (false, _) => Wanted::Logits,
            (true, Stage::Chunk) => Wanted::Choice { silence: generator.end_of_utterance },
            (true, _) => Wanted::Likeliest,
        }
    }

    /// The ids so far; all but the last are in the cache.
    pub fn token_ids(&self) -> &[u32] {
        &self.token_ids
    }

    /// Probability of silence at the talk decision, once one was taken.
    pub fn decided(&self) -> Option<f32> {
        self.rule.filter(|_| self.stage != Stage::Chunk).map(|_| self.not_talk_probability)
    }

    /// Why it stopped, once it did.
    pub fn stop(&self) -> Option<StopReason> {
        match self.stage {
            Stage::Finished(stop) => Some(stop),
            Stage::Chunk | Stage::Word(_) => None,
        }
    }

    /// What was generated until now, where it stops for this reason: that of [`Next::Finished`], or another one to break it off.
    pub fn into_generated(self, stop: StopReason) -> Generated {
        let Self { token_ids, not_talk_probability, .. } = self;
        Generated { token_ids, not_talk_probability, stop }
    }

    /// Takes what the model found behind what went in last, where the cache has `room` for so many tokens more: the talk decision
    /// if that was the chunk, and the next word.
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

    /// The next word by chance. A decision is not left to it: the logits leave no other one.
    fn draw(&mut self, generator: &mut Generator, logits: &mut [f32], room: usize) {
        if self.stage == Stage::Chunk {
            let silence = generator.end_of_utterance;
            let silent = self.decide(generator, Choice::of(logits, silence));
            if let (Some(silent), Some(logit)) = (silent, logits.get_mut(silence as usize)) {
                *logit = if silent { 1e4 } else { -1e4 };
            }
        }
        // No random number is used up for a word that is not said.
        if self.stop().is_none() {
            let id = generator.pick(logits);
            self.say(generator, id, room);
        }
    }

    /// The first word, the likeliest that the decision leaves.
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

    /// Whether to stay silent, if there is something to decide; and nothing follows where no word is allowed.
    fn decide(&mut self, generator: &mut Generator, choice: Choice) -> Option<bool> {
        self.not_talk_probability = choice.silence;
        if self.max_new_tokens == 0 {
            self.stage = Stage::Finished(StopReason::MaxNewTokens);
        }
        self.rule.map(|rule| generator.decides_for_silence(rule, choice))
    }

    /// Adds a word, and sees whether the reply ends with it.
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
