//! Generation over an explicit cache, with the talk decision of ProAssist.

use crate::cache::KvCache;
use crate::error::Result;
use crate::smolvlm::{Embeddings, SmolVlm};

/// When the model stays silent at a frame (ProAssist's `not_talk_threshold`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TalkRule {
    /// Whatever token is likeliest.
    Argmax,
    /// Silent only if the probability of silence exceeds this.
    Threshold(f32),
    /// Talk if the probability of silence fell by more than this since the last frame; otherwise, and at the first frame,
    /// silent only if it exceeds 0.5.
    Fall(f32),
}

/// Why generation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The ids; all but the last are in the cache.
    pub token_ids: Vec<u32>,
    /// Probability of silence at the first token.
    pub not_talk_probability: f32,
    /// Why it stopped.
    pub stop: StopReason,
}

/// Greedy generation that remembers the last talk decision.
#[derive(Debug, Clone)]
pub struct Generator {
    /// The id that is both silence and the end of an utterance.
    pub end_of_utterance: u32,
    last_not_talk_probability: Option<f32>,
}

impl Generator {
    /// A generator that has taken no decision yet.
    pub fn new(end_of_utterance: u32) -> Self {
        Self { end_of_utterance, last_not_talk_probability: None }
    }

    /// Prefills `chunk` and generates at most `max_new_tokens` tokens; `rule` applies to the first one, `None` lets the
    /// model speak without a decision (and without touching the memory of the last one).
    pub fn fast_greedy_generate(
        &mut self,
        model: &SmolVlm,
        chunk: &Embeddings,
        cache: &mut KvCache,
        rule: Option<TalkRule>,
        max_new_tokens: usize,
    ) -> Result<Generated> {
        let mut logits = model.prefill(chunk, cache)?;
        let not_talk_probability = probability(&logits, self.end_of_utterance);
        if let Some(rule) = rule {
            self.decide(rule, not_talk_probability, &mut logits);
        }
        let mut token_ids = Vec::with_capacity(max_new_tokens);
        let stop = loop {
            if token_ids.len() >= max_new_tokens {
                break StopReason::MaxNewTokens;
            }
            let id = argmax(&logits);
            token_ids.push(id);
            if id == self.end_of_utterance {
                let silent = token_ids.len() == 1 && rule.is_some();
                break if silent { StopReason::Silence } else { StopReason::EndOfUtterance };
            }
            if token_ids.len() == max_new_tokens {
                break StopReason::MaxNewTokens;
            }
            if cache.len() == cache.capacity() {
                break StopReason::CacheFull;
            }
            logits = model.prefill(&model.joint_embed(&[id], None)?, cache)?;
        };
        Ok(Generated { token_ids, not_talk_probability, stop })
    }

    fn decide(&mut self, rule: TalkRule, probability: f32, logits: &mut [f32]) {
        let last = self.last_not_talk_probability.replace(probability);
        let threshold = match rule {
            TalkRule::Argmax => return,
            TalkRule::Threshold(threshold) => threshold,
            TalkRule::Fall(fall) if last.is_some_and(|last| last - probability > fall) => 1.0,
            TalkRule::Fall(_) => 0.5,
        };
        if let Some(logit) = logits.get_mut(self.end_of_utterance as usize) {
            *logit = if probability > threshold { 1e4 } else { -1e4 };
        }
    }
}

fn argmax(logits: &[f32]) -> u32 {
    let better = |best: usize, index: usize| if logits[index] > logits[best] { index } else { best };
    (0..logits.len()).reduce(better).unwrap_or(0) as u32
}

/// Softmax probability of `id`.
fn probability(logits: &[f32], id: u32) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - max).exp()).sum();
    logits.get(id as usize).map_or(0.0, |logit| (logit - max).exp() / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_token(rule: TalkRule, probabilities: &[f32]) -> Vec<bool> {
        let mut generator = Generator::new(0);
        let silent = |&probability: &f32| {
            let mut logits = [probability.ln(), (1.0 - probability).ln()];
            generator.decide(rule, probability, &mut logits);
            argmax(&logits) == 0
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
