//! BLEU: the share of a reply's n-grams that its reference has (Papineni et al., 2002).

use std::iter::Sum;
use std::ops::Add;

use super::ngrams::{MAX_ORDER, ngram_counts};

/// Keeps a score without any matches just above zero, as in `pycocoevalcap`.
const TINY: f64 = 1e-15;
/// Keeps a division by no n-grams at all finite, as in `pycocoevalcap`.
const SMALL: f64 = 1e-9;

/// The counts of a corpus from which BLEU is computed. The counts of two corpora can be added.
///
/// The arrays are indexed by order: index 0 is for single words, index 3 for sequences of four words.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BleuCounts {
    /// The number of n-grams of the replies that occur in their reference, each counted at most as often as
    /// the reference has it.
    pub matches: [usize; MAX_ORDER],
    /// The number of n-grams of the replies.
    pub totals: [usize; MAX_ORDER],
    /// The number of words of the replies.
    pub reply_words: usize,
    /// The number of words of the references.
    pub reference_words: usize,
}

impl BleuCounts {
    /// The counts of one reply.
    pub fn of(reply: &[String], reference: &[String]) -> Self {
        let mut counts =
            Self { reply_words: reply.len(), reference_words: reference.len(), ..Self::default() };
        for index in 0..MAX_ORDER {
            let known = ngram_counts(reference, index + 1);
            for (ngram, count) in ngram_counts(reply, index + 1) {
                counts.totals[index] += count;
                counts.matches[index] += count.min(known.get(ngram).copied().unwrap_or(0));
            }
        }
        counts
    }

    /// Corpus BLEU-1 to BLEU-4, from 0 to 1: the geometric means of the precisions of the first orders, times
    /// the brevity penalty. Each reply has one reference, so the reference with the "closest" length is that
    /// one.
    pub fn scores(&self) -> [f64; MAX_ORDER] {
        let ratio = (self.reply_words as f64 + TINY) / (self.reference_words as f64 + SMALL);
        let brevity_penalty = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut scores = [0.0; MAX_ORDER];
        let mut product = 1.0;
        for (index, score) in scores.iter_mut().enumerate() {
            product *= (self.matches[index] as f64 + TINY) / (self.totals[index] as f64 + SMALL);
            *score = brevity_penalty * product.powf(1.0 / (index + 1) as f64);
        }
        scores
    }
}

impl Add for BleuCounts {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for index in 0..MAX_ORDER {
            self.matches[index] += other.matches[index];
            self.totals[index] += other.totals[index];
        }
        self.reply_words += other.reply_words;
        self.reference_words += other.reference_words;
        self
    }
}

impl Sum for BleuCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The worked example of the paper's section 2.1.
    #[test]
    fn a_word_matches_at_most_as_often_as_the_reference_has_it() {
        let counts = BleuCounts::of(&split("the the the the the the the"), &split("the cat is on the mat"));
        assert_eq!((counts.matches[0], counts.totals), (2, [7, 6, 5, 4]));
        assert!((counts.scores()[0] - 2.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_short_reply_pays_for_its_brevity() {
        let scores = BleuCounts::of(&split("on the mat"), &split("the cat is on the mat")).scores();
        assert!((scores[0] - (-1.0f64).exp()).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn counts_add_up_and_no_words_score_nothing() {
        let one = BleuCounts::of(&split("a b"), &split("a b c"));
        let two = BleuCounts::of(&split("d"), &split("d"));
        let sum: BleuCounts = [one, two].into_iter().sum();
        assert_eq!((sum.matches, sum.reply_words, sum.reference_words), ([3, 1, 0, 0], 3, 4));
        assert_eq!(BleuCounts::of(&[], &split("a")).scores(), [0.0; MAX_ORDER]);
        assert!(BleuCounts::default().scores().iter().all(|score| *score < 1e-5));
    }
}
