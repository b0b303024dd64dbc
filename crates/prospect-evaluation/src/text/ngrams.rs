//! Runs of consecutive words.

use std::collections::BTreeMap;

/// Longest n-gram that BLEU and CIDEr look at, in words.
pub(super) const MAX_ORDER: usize = 4;

/// How often each n-gram of `order` words occurs. Sorted, so that sums over the n-grams round alike on every run.
pub(super) fn ngram_counts(words: &[String], order: usize) -> BTreeMap<&[String], usize> {
    let mut counts = BTreeMap::new();
    for ngram in words.windows(order) {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}
