//! CIDEr: the similarity of a reply and its reference in the n-grams that distinguish references (Vedantam et
//! al., 2015).

use std::collections::BTreeMap;

use super::ngrams::{MAX_ORDER, ngram_counts};

/// The standard deviation of the penalty on a difference in length, in bigrams.
const SIGMA: f64 = 6.0;
/// The score of a perfect reply.
const SCALE: f64 = 10.0;

/// The n-grams of one order with their weights.
type Weights<'a> = BTreeMap<&'a [String], f64>;

/// The CIDEr of each pair of reply and reference, from 0 to 10; the mean is the corpus score. The weight of
/// an n-gram depends on how many references of the corpus have it, so in a corpus of one pair every n-gram
/// has the weight 0.
///
/// This is the variant that `pycocoevalcap` calls CIDEr. Counts are clipped to those of the reference, and a
/// Gaussian penalises a difference in length (CIDEr-D in the paper), but words are not stemmed. As in that
/// package, lengths are in bigrams.
pub fn cider(pairs: &[(Vec<String>, Vec<String>)]) -> Vec<f64> {
    let mut sums = vec![0.0; pairs.len()];
    for order in 1..=MAX_ORDER {
        let rarity = Rarity::of(pairs, order);
        for ((reply, reference), sum) in pairs.iter().zip(&mut sums) {
            *sum += similarity(&rarity.weigh(reply), &rarity.weigh(reference));
        }
    }
    let score = |((reply, reference), sum): (&(Vec<String>, Vec<String>), f64)| {
        let bigrams = |words: &[String]| words.len().saturating_sub(1) as f64;
        let difference = bigrams(reply) - bigrams(reference);
        let penalty = (-difference.powi(2) / (2.0 * SIGMA.powi(2))).exp();
        SCALE * penalty * sum / MAX_ORDER as f64
    };
    pairs.iter().zip(sums).map(score).collect()
}

/// The rarity of n-grams among the references.
struct Rarity<'a> {
    order: usize,
    references: usize,
    /// For each n-gram, the number of references that have it.
    document_frequency: BTreeMap<&'a [String], usize>,
}

impl<'a> Rarity<'a> {
    fn of(pairs: &'a [(Vec<String>, Vec<String>)], order: usize) -> Self {
        let mut document_frequency = BTreeMap::new();
        for (_, reference) in pairs {
            for ngram in ngram_counts(reference, order).into_keys() {
                *document_frequency.entry(ngram).or_insert(0) += 1;
            }
        }
        Self { order, references: pairs.len(), document_frequency }
    }

    /// Occurrences times inverse document frequency. An n-gram that no reference has counts as an n-gram of
    /// one reference.
    fn weigh<'b>(&self, words: &'b [String]) -> Weights<'b> {
        let weigh = |(ngram, count): (&'b [String], usize)| {
            let frequency = self.document_frequency.get(ngram).map_or(1, |frequency| *frequency);
            (ngram, count as f64 * ((self.references as f64).ln() - (frequency as f64).ln()))
        };
        ngram_counts(words, self.order).into_iter().map(weigh).collect()
    }
}

/// The cosine of the two, in which repeating an n-gram gains a reply nothing; 0 if either has no weight.
fn similarity(reply: &Weights, reference: &Weights) -> f64 {
    let norm = |weights: &Weights| weights.values().map(|weight| weight * weight).sum::<f64>().sqrt();
    let norms = norm(reply) * norm(reference);
    if norms == 0.0 {
        return 0.0;
    }
    let product = |(ngram, weight): (&&[String], &f64)| {
        reference.get(*ngram).map_or(0.0, |in_reference| weight.min(*in_reference) * in_reference)
    };
    reply.iter().map(product).sum::<f64>() / norms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(reply: &str, reference: &str) -> (Vec<String>, Vec<String>) {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        (split(reply), split(reference))
    }

    #[test]
    fn the_reference_itself_scores_ten_and_other_words_nothing() {
        let scores = cider(&[pair("a b c d", "a b c d"), pair("e f g h", "i j k l")]);
        assert!((scores[0] - 10.0).abs() < 1e-12 && scores[1] == 0.0, "{scores:?}");
    }

    #[test]
    fn words_of_every_reference_weigh_nothing() {
        assert_eq!(cider(&[pair("a", "a b"), pair("a", "a c")]), [0.0, 0.0]);
        assert_eq!(cider(&[pair("a b", "a b")]), [0.0]);
        assert_eq!(cider(&[]), Vec::<f64>::new());
        assert_eq!(cider(&[pair("", ""), pair("", "a")]), [0.0, 0.0]);
    }
}
