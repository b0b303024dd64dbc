//! Picks the tokens of replies and remembers what the next reply needs, with the talk decision of
//! ProAssist.

use serde::{Deserialize, Serialize};

use crate::sampling::{Choice, Sampler, Sampling};

/// When the model stays silent at a frame (ProAssist's `not_talk_threshold`). The decision is never
/// random.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TalkRule {
    /// Silent if silence is the likeliest token.
    Argmax,
    /// Silent if the probability of silence is greater than this.
    Threshold(f32),
    /// Talk if the probability of silence fell by more than this since the last frame. Otherwise, and
    /// at the first frame, silent if it is greater than 0.5.
    Fall(f32),
}

/// Picks tokens for the replies of one stream. It remembers the last talk decision and the state of the
/// random numbers.
#[derive(Debug, Clone)]
pub struct Generator {
    /// The token id that means both silence and the end of an utterance.
    pub end_of_utterance: u32,
    /// Other token ids that end a reply.
    other_ends: Vec<u32>,
    sampler: Sampler,
    last_not_talk_probability: Option<f32>,
    /// Buffer that is reused from token to token.
    pub(crate) logits: Vec<f32>,
}

/// The state that a [`Generator`] keeps from call to call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorMemory {
    random: u64,
    last_not_talk_probability: Option<f32>,
}

impl Generator {
    /// A generator before its first decision.
    pub fn new(end_of_utterance: u32, sampling: Sampling) -> Self {
        Self {
            end_of_utterance,
            other_ends: Vec::new(),
            sampler: Sampler::new(sampling),
            last_not_talk_probability: None,
            logits: Vec::new(),
        }
    }

    /// Adds token ids that also end a reply. Silence remains the one token `end_of_utterance`.
    #[must_use]
    pub fn ending_at(mut self, ends: &[u32]) -> Self {
        self.other_ends = ends.iter().copied().filter(|&id| id != self.end_of_utterance).collect();
        self
    }

    /// The state with which another generator of the same sampling continues like this one.
    pub fn memory(&self) -> GeneratorMemory {
        let Self { end_of_utterance: _, other_ends: _, sampler, logits: _, last_not_talk_probability } = self;
        let last_not_talk_probability = *last_not_talk_probability;
        GeneratorMemory { random: sampler.random_state(), last_not_talk_probability }
    }

    /// Restores the state that [`Self::memory`] returned.
    pub fn remember(&mut self, memory: GeneratorMemory) {
        let GeneratorMemory { random, last_not_talk_probability } = memory;
        self.sampler.set_random_state(random);
        self.last_not_talk_probability = last_not_talk_probability;
    }

    /// Whether it always picks the likeliest token.
    pub(crate) fn is_greedy(&self) -> bool {
        self.sampler.is_greedy()
    }

    /// The next token for logits `[vocab]`.
    pub(crate) fn pick(&mut self, logits: &[f32]) -> u32 {
        self.sampler.pick(logits)
    }

    /// Whether this token, other than `end_of_utterance`, ends a reply.
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
