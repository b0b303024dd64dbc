//! Generation over an explicit cache, with the talk decision of ProAssist.

use serde::{Deserialize, Serialize};

use crate::batch::Input;
use crate::cache::KvCache;
use crate::error::Result;
use crate::generation::{Generation, Next};
use crate::sampling::{Choice, Sampler, Sampling};
use crate::smolvlm::{Embeddings, SmolVlm};

/// When the model stays silent at a frame (ProAssist's `not_talk_threshold`). The decision is never drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TalkRule {
    /// Silent if silence is the likeliest token.
    Argmax,
    /// Silent only if the probability of silence exceeds this.
    Threshold(f32),
    /// Talk if the probability of silence fell by more than this since the last frame; otherwise, and at the first frame,
    /// silent only if it exceeds 0.5.
    Fall(f32),
}

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

/// Generation over an explicit cache; remembers the last talk decision and the state of the sampling.
#[derive(Debug, Clone)]
pub struct Generator {
    /// The id that is both silence and the end of an utterance.
    pub end_of_utterance: u32,
    /// Ids that end a reply beside it.
    other_ends: Vec<u32>,
    sampler: Sampler,
    last_not_talk_probability: Option<f32>,
    /// Reused from token to token.
    logits: Vec<f32>,
}

/// What a [`Generator`] remembers from call to call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorMemory {
    random: u64,
    last_not_talk_probability: Option<f32>,
}

impl Generator {
    /// A generator that has taken no decision yet.
    pub fn new(end_of_utterance: u32, sampling: Sampling) -> Self {
        Self {
            end_of_utterance,
            other_ends: Vec::new(),
            sampler: Sampler::new(sampling),
            last_not_talk_probability: None,
            logits: Vec::new(),
        }
    }

    /// The same, where each of `ends` ends a reply as well; silence stays the one token.
    #[must_use]
    pub fn ending_at(mut self, ends: &[u32]) -> Self {
        self.other_ends = ends.iter().copied().filter(|&id| id != self.end_of_utterance).collect();
        self
    }

    /// What another generator of the same sampling needs to go on as this one would.
    pub fn memory(&self) -> GeneratorMemory {
        let Self { end_of_utterance: _, other_ends: _, sampler, logits: _, last_not_talk_probability } = self;
        let last_not_talk_probability = *last_not_talk_probability;
        GeneratorMemory { random: sampler.random_state(), last_not_talk_probability }
    }

    /// Goes on as the generator would whose [`Self::memory`] this is.
    pub fn remember(&mut self, memory: GeneratorMemory) {
        let GeneratorMemory { random, last_not_talk_probability } = memory;
        self.sampler.set_random_state(random);
        self.last_not_talk_probability = last_not_talk_probability;
    }

    /// Prefills `chunk` and generates at most `max_new_tokens` tokens; `rule` applies to the first one, `None` lets the
    /// model speak without a decision (and without touching the memory of the last one). With [`Sampling::Greedy`] this is
    /// ProAssist's `fast_greedy_generate`.
    ///
    /// # Errors
    /// Those of [`SmolVlm::prefill`]: what failed is not in the cache, what went in before it is.
    pub fn generate(
        &mut self,
        model: &SmolVlm,
        chunk: &Embeddings,
        cache: &mut KvCache,
        rule: Option<TalkRule>,
        max_new_tokens: usize,
    ) -> Result<Generated> {
        let mut logits = std::mem::take(&mut self.logits);
        let generated = self.lead(self.begin(rule, max_new_tokens), model, chunk, cache, &mut logits);
        self.logits = logits;
        generated
    }

    /// A reply as [`Self::generate`] makes it, for a caller that puts its chunk and its words into the cache step by step.
    pub fn begin(&self, rule: Option<TalkRule>, max_new_tokens: usize) -> Generation {
        Generation::new(rule, max_new_tokens)
    }

    /// Leads a reply to its end.
    fn lead(
        &mut self,
        mut generation: Generation,
        model: &SmolVlm,
        chunk: &Embeddings,
        cache: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<Generated> {
        loop {
            let input = match generation.next() {
                Next::Chunk => Input::Chunk(chunk),
                Next::Word(id) => Input::Word(id),
                Next::Finished(stop) => return Ok(generation.into_generated(stop)),
            };
            let found = model.put(input, cache, generation.wanted(self), logits)?;
            generation.take(self, found, cache.room())?;
        }
    }

    /// Whether it always picks the likeliest word.
    pub(crate) fn is_greedy(&self) -> bool {
        self.sampler.is_greedy()
    }

    /// The next word by logits `[vocab]`.
    pub(crate) fn pick(&mut self, logits: &[f32]) -> u32 {
        self.sampler.pick(logits)
    }

    /// Whether this word ends a reply, the end of the utterance aside.
    pub(crate) fn ends_reply(&self, id: u32) -> bool {
        self.other_ends.contains(&id)
    }

    pub(crate) fn decides_for_silence(&mut self, rule: TalkRule, choice: Choice) -> bool {
        let probability = choice.silence;
        let last = self.last_not_talk_probability.replace(probability);
        match rule {
            TalkRule::Argmax => choice.likeliest == self.end_of_utterance,
            TalkRule::Threshold(threshold) => probability > threshold,
            TalkRule::Fall(fall) if last.is_some_and(|last| last - probability > fall) => false,
            TalkRule::Fall(_) => probability > 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_token(rule: TalkRule, probabilities: &[f32]) -> Vec<bool> {
        let mut generator = Generator::new(0, Sampling::Greedy);
        let silent = |&probability: &f32| {
            let choice = Choice::of(&[probability.ln(), (1.0 - probability).ln()], 0);
            generator.decides_for_silence(rule, Choice { silence: probability, ..choice })
        };
        probabilities.iter().map(silent).collect()
    }

    #[test]
    fn a_threshold_has_to_be_exceeded() {
        assert_eq!(first_token(TalkRule::Threshold(0.8), &[0.9, 0.8, 0.7]), [true, false, false]);
    }

    #[test]
    fn argmax_takes_the_likelier() {
        assert_eq!(first_token(TalkRule::Argmax, &[0.6, 0.4]), [true, false]);
    }

    #[test]
    fn a_fall_means_talk_and_one_half_holds_otherwise() {
        assert_eq!(first_token(TalkRule::Fall(0.2), &[0.9, 0.6, 0.55, 0.4]), [true, false, true, false]);
    }
}
