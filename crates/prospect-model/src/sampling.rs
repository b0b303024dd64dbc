//! Picks the next token from logits: the likeliest one, or a random one from the nucleus.

use crate::random::SplitMix64;

/// How the next token is picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The likeliest token; of equal logits, the lowest id.
    Greedy,
    /// Nucleus sampling ([Holtzman et al.](https://arxiv.org/abs/1904.09751)), with the order of
    /// `transformers`: temperature first, then top-p. The same seed picks the same tokens from the same
    /// logits.
    Random {
        /// Divides the logits: below 1 sharpens, above 1 flattens, 0 or less means greedy.
        temperature: f64,
        /// Tokens are drawn from the smallest set of likeliest tokens whose probabilities sum up to
        /// this, with at least one token. 1 draws from all tokens.
        top_p: f64,
        /// Seed of the random numbers.
        seed: u64,
    },
}

/// What logits say about the next token, for a talk decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The likeliest token; of equal logits, the lowest id.
    pub likeliest: u32,
    /// The likeliest token other than silence.
    pub other: u32,
    /// The probability of silence, from 0 to 1.
    pub silence: f32,
}

impl Choice {
    /// Computes the choice from the logits of one token, `[vocab]`; `silence` is the token id of
    /// silence.
    pub fn of(logits: &[f32], silence: u32) -> Self {
        let other = largest(logits, (0..logits.len()).filter(|&id| id != silence as usize));
        let beats =
            |&logit: &f32| logit > logits[other] || (logit == logits[other] && silence < other as u32);
        let silent = logits.get(silence as usize).is_some_and(beats);
        Self {
            likeliest: if silent { silence } else { other as u32 },
            other: other as u32,
            silence: probability(logits, silence),
        }
    }
}

/// Softmax probability of the token `id`.
fn probability(logits: &[f32], id: u32) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - max).exp()).sum();
    logits.get(id as usize).map_or(0.0, |logit| (logit - max).exp() / sum)
}

/// Number of tokens that are sorted first to find the nucleus.
const FIRST_PIECE: usize = 128;

/// Factor by which the sorted part grows if it does not contain the nucleus.
const GROWTH: usize = 8;

/// Picks tokens. Holds the state of the random numbers and a buffer that is reused from token to token.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    sampling: Sampling,
    random: SplitMix64,
    /// Weight and id of every token, `[vocab]`; after the cut, those of the nucleus.
    candidates: Vec<(f64, u32)>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let seed = match sampling {
            Sampling::Greedy => 0,
            Sampling::Random { seed, .. } => seed,
        };
        Self { sampling, random: SplitMix64(seed), candidates: Vec::new() }
    }

    /// The state of the random numbers.
    pub(crate) fn random_state(&self) -> u64 {
        let Self { sampling: _, random: SplitMix64(state), candidates: _ } = self;
        *state
    }

    pub(crate) fn set_random_state(&mut self, state: u64) {
        self.random = SplitMix64(state);
    }

    /// Whether it always picks the likeliest token.
    pub(crate) fn is_greedy(&self) -> bool {
        !matches!(self.sampling, Sampling::Random { temperature, .. } if temperature > 0.0)
    }

    /// The next token for logits `[vocab]`, all finite.
    pub(crate) fn pick(&mut self, logits: &[f32]) -> u32 {
        match self.sampling {
            Sampling::Random { temperature, top_p, .. } if !self.is_greedy() => {
                self.weigh(logits, temperature);
                self.cut_nucleus(top_p);
                self.draw().unwrap_or_else(|| argmax(logits))
            }
            _ => argmax(logits),
        }
    }

    /// Computes softmax weights without the denominator.
    fn weigh(&mut self, logits: &[f32], temperature: f64) {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| (f64::from(logit - max) / temperature).exp();
        self.candidates.clear();
        self.candidates.extend(logits.iter().zip(0..).map(|(&logit, id)| (weight(logit), id)));
    }

    /// Keeps only the nucleus, likeliest token first. It usually has a few of tens of thousands of
    /// tokens, so candidates are sorted piece by piece until there are enough.
    fn cut_nucleus(&mut self, top_p: f64) {
        if top_p >= 1.0 {
            return;
        }
        let likelier = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let enough = top_p * self.candidates.iter().map(|(weight, _)| weight).sum::<f64>();
        let (mut ordered, mut sum) = (0, 0.0);
        while ordered < self.candidates.len() {
            let rest = &mut self.candidates[ordered..];
            let piece = rest.len().min(FIRST_PIECE.max(ordered * (GROWTH - 1)));
            if piece < rest.len() {
                rest.select_nth_unstable_by(piece, likelier);
            }
            rest[..piece].sort_unstable_by(likelier);
            let reached = rest[..piece].iter().position(|(weight, _)| {
                sum += weight;
                sum >= enough
            });
            if let Some(last) = reached {
                self.candidates.truncate(ordered + last + 1);
                return;
            }
            ordered += piece;
        }
    }

    /// Draws a candidate by weight; `None` if rounding leads past the last one.
    fn draw(&mut self) -> Option<u32> {
        let total: f64 = self.candidates.iter().map(|(weight, _)| weight).sum();
        let mut rest = self.random.unit() * total;
        let drawn = self.candidates.iter().find(|(weight, _)| {
            let found = rest < *weight;
            rest -= weight;
            found
        });
        drawn.map(|&(_, id)| id)
    }
}

/// Index of the largest logit; of equal logits, the lowest index.
pub(crate) fn argmax(logits: &[f32]) -> u32 {
    largest(logits, 0..logits.len()) as u32
}

fn largest(logits: &[f32], mut among: impl Iterator<Item = usize>) -> usize {
    let first = among.next().unwrap_or(0);
    among.fold(first, |best, index| if logits[index] > logits[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampler(temperature: f64, top_p: f64, seed: u64) -> Sampler {
        Sampler::new(Sampling::Random { temperature, top_p, seed })
    }

    #[test]
    fn random_numbers_are_those_of_the_published_generator() {
        let mut random = SplitMix64(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let logits = [0.1f32, 0.2, 0.7].map(f32::ln);
        for (temperature, expected) in [(1.0, [0.1, 0.2, 0.7]), (0.5, [1.0 / 54.0, 4.0 / 54.0, 49.0 / 54.0])]
        {
            let mut sampler = sampler(temperature, 1.0, 7);
            let mut counts = [0u32; 3];
            (0..20_000).for_each(|_| counts[sampler.pick(&logits) as usize] += 1);
            for (count, expected) in counts.iter().zip(expected) {
                let share = f64::from(*count) / 20_000.0;
                assert!((share - expected).abs() < 0.015, "{share} instead of {expected} at {temperature}");
            }
        }
    }

    #[test]
    fn the_token_that_reaches_top_p_belongs_to_the_nucleus() {
        let logits = [0.5f32, 0.3, 0.2].map(f32::ln);
        let mut drawn = [false; 3];
        let mut sampler = sampler(1.0, 0.6, 1);
        (0..200).for_each(|_| drawn[sampler.pick(&logits) as usize] = true);
        assert_eq!(drawn, [true, true, false]);
    }

    #[test]
    fn no_temperature_is_greedy() {
        for temperature in [0.0, -1.0, f64::NAN] {
            assert_eq!(sampler(temperature, 1.0, 3).pick(&[0.0, 2.0, 1.0]), 1);
        }
    }

    proptest! {
        #[test]
        fn nothing_outside_the_nucleus_is_drawn(
            logits in prop::collection::vec(-8.0f32..8.0, 1..40),
            temperature in 0.05f64..3.0,
            top_p in 0.0f64..1.2,
            seed in any::<u64>(),
        ) {
            let mut sampler = sampler(temperature, top_p, seed);
            let weight = |logit: f32| (f64::from(logit) / temperature).exp();
            let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
            for _ in 0..20 {
                let drawn = logits[sampler.pick(&logits) as usize];
                let likelier: f64 = logits.iter().filter(|&&other| other > drawn).map(|&other| weight(other)).sum();
                // A token belongs if the likelier ones do not reach top_p without it; rounding aside.
                prop_assert!(likelier == 0.0 || likelier < top_p * total * (1.0 + 1e-9));
            }
        }

        /// However many pieces it takes.
        #[test]
        fn the_nucleus_is_what_sorting_everything_leaves(
            seed in any::<u64>(), tokens in 1..5_000_usize, spread in 0.01f32..12.0, top_p in 0.0f64..1.0,
        ) {
            let mut random = SplitMix64(seed);
            // Rounded, so that there are equals.
            let logits: Vec<f32> = (0..tokens).map(|_| (random.unit() as f32 * spread * 16.0).round() / 16.0).collect();
            let mut cut = sampler(1.0, top_p, 0);
            cut.weigh(&logits, 1.0);
            let mut all = cut.candidates.clone();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            cut.cut_nucleus(top_p);
            let nucleus = cut.candidates.len();
            prop_assert_eq!(&cut.candidates, &all[..nucleus]);
            let total: f64 = all.iter().map(|(weight, _)| weight).sum();
            let sum = |tokens: usize| all[..tokens].iter().map(|(weight, _)| weight).sum::<f64>() / total;
            prop_assert!(sum(nucleus) >= top_p - 1e-9 && (nucleus == 1 || sum(nucleus - 1) < top_p + 1e-9));
        }

        #[test]
        fn the_limits_are_greedy(
            logits in prop::collection::hash_set(-1000i32..1000, 1..40),
            temperature in 0.05f64..3.0,
            seed in any::<u64>(),
        ) {
            let logits: Vec<f32> = logits.into_iter().map(|logit| logit as f32 / 100.0).collect();
            prop_assert_eq!(sampler(1e-6, 1.0, seed).pick(&logits), argmax(&logits));
            prop_assert_eq!(sampler(temperature, 1e-9, seed).pick(&logits), argmax(&logits));
        }
    }
}
