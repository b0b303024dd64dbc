//! METEOR: the words that a reply shares with its reference, and the number of pieces in which they occur
//! (Banerjee & Lavie, 2005).

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

/// The weight of the recall in the harmonic mean: nine to one against the precision.
const ALPHA: f64 = 0.9;
/// The exponent of the penalty on fragmentation.
const BETA: f64 = 3.0;
/// The greatest penalty on fragmentation.
const GAMMA: f64 = 0.5;

/// The METEOR of a reply, from 0 to 1, with equal words and equal stems (the modules "exact" and "stem" of
/// the paper, with the Snowball stemmer for English). The synonym module needs WordNet and is left out.
/// NLTK's stemmer differs from Snowball's on rare words (20 of 60 000 words of a dictionary, such as
/// "realization").
///
/// Words are aligned as in NLTK. From the end of the reply to its start, each word takes the last free equal
/// word of the reference. The remaining words do the same with their stems. The paper uses the alignment with
/// the fewest crossings instead, which may need fewer pieces if a word occurs more than once.
pub fn meteor(reply: &[String], reference: &[String]) -> f64 {
    let aligned = align(reply, reference);
    let matches = aligned.iter().flatten().count() as f64;
    if matches == 0.0 {
        return 0.0;
    }
    let precision = matches / reply.len() as f64;
    let recall = matches / reference.len() as f64;
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let penalty = GAMMA * (chunks(&aligned) as f64 / matches).powf(BETA);
    (1.0 - penalty) * mean
}

/// For each word of the reply, the word of the reference to which it is aligned.
fn align(reply: &[String], reference: &[String]) -> Vec<Option<usize>> {
    let mut aligned = vec![None; reply.len()];
    let lower = |words: &[String]| -> Vec<String> { words.iter().map(|word| word.to_lowercase()).collect() };
    let (reply, reference) = (lower(reply), lower(reference));
    match_equal(&reply, &reference, &mut aligned);
    let stemmer = Stemmer::create(Algorithm::English);
    let stem = |words: &[String]| -> Vec<String> {
        words.iter().map(|word| stemmer.stem(word).into_owned()).collect()
    };
    match_equal(&stem(&reply), &stem(&reference), &mut aligned);
    aligned
}

/// Aligns words that are equal and not yet aligned, the last ones first.
fn match_equal(reply: &[String], reference: &[String], aligned: &mut [Option<usize>]) {
    let mut is_free = vec![true; reference.len()];
    for &index in aligned.iter().flatten() {
        is_free[index] = false;
    }
    let mut free: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, word) in reference.iter().enumerate().filter(|(index, _)| is_free[*index]) {
        free.entry(word).or_default().push(index);
    }
    for (word, slot) in reply.iter().zip(aligned).rev() {
        if slot.is_none() {
            *slot = free.get_mut(word.as_str()).and_then(Vec::pop);
        }
    }
}

/// The number of pieces of the reply whose words are aligned one after the other, as in the reference.
fn chunks(aligned: &[Option<usize>]) -> usize {
    let starts = |index: &usize| {
        let before = index.checked_sub(1).and_then(|before| aligned[before]);
        aligned[*index].is_some_and(|here| before.is_none_or(|before| before + 1 != here))
    };
    (0..aligned.len()).filter(starts).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(reply: &str, reference: &str) -> f64 {
        let split = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        meteor(&split(reply), &split(reference))
    }

    #[test]
    fn the_same_words_lose_by_the_one_piece_that_they_are() {
        assert!((score("stir the warm soup", "stir the warm soup") - (1.0 - 0.5 / 64.0)).abs() < 1e-12);
    }

    #[test]
    fn stems_match_where_words_do_not() {
        assert!(score("stirring it", "stir it") > 0.9);
        assert_eq!(score("soup", "bread"), 0.0);
        assert_eq!((score("", "a"), score("a", ""), score("", "")), (0.0, 0.0, 0.0));
    }

    /// Two matches in two pieces: precision 1, recall 2/3.
    #[test]
    fn a_gap_splits_a_piece() {
        let mean = (2.0 / 3.0) / (0.9 + 0.1 * 2.0 / 3.0);
        assert!((score("a c", "a b c") - 0.5 * mean).abs() < 1e-12);
    }
}
