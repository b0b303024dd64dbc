//! N-grams: sequences of consecutive words.

use std::collections::BTreeMap;

/// The longest n-gram of BLEU and CIDEr, in words.
pub(super) const MAX_ORDER: usize = 4;

/// The number of occurrences of each n-gram of `order` words. The map is sorted, so that sums over the
/// n-grams are rounded equally in every run.
pub(super) fn ngram_counts(words: &[String], order: usize) -> BTreeMap<&[String], usize> {
    let mut counts = BTreeMap::new();
    for ngram in words.windows(order) {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}
