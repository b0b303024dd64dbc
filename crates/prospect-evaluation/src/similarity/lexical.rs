//! Similarity without weights.

use std::collections::BTreeMap;

use rust_stemmers::{Algorithm, Stemmer};

use super::{Similarity, SimilarityError, cosine};
use crate::text::words;

/// The cosine of word counts over stems. Each count is weighted by how rare the word is among the references
/// of the video (TF-IDF, Salton & Buckley, 1988).
///
/// This is the default, because it needs no weights and gives the same figures everywhere. It needs the
/// weighting, because the replies of one task share most of their words ("now take the ... and put it into
/// the ..."), and with plain counts any two replies would be similar. It knows no synonyms: for replies with
/// free wording, a sentence encoder is the better choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lexical;

impl Similarity for Lexical {
    fn name(&self) -> &'static str {
        "words (TF-IDF over stems)"
    }

    fn cosines(&self, replies: &[&str], references: &[&str]) -> Result<Vec<Vec<f64>>, SimilarityError> {
        let replies: Vec<Vec<String>> = replies.iter().map(|text| stems(text)).collect();
        let references: Vec<Vec<String>> = references.iter().map(|text| stems(text)).collect();
        let mut column_of: BTreeMap<&str, usize> = BTreeMap::new();
        for stem in replies.iter().chain(&references).flatten() {
            let next = column_of.len();
            column_of.entry(stem).or_insert(next);
        }
        let weights = rarity(&references, &column_of);
        let vector = |text: &Vec<String>| {
            let mut vector = vec![0.0; column_of.len()];
            for stem in text {
                let column = column_of[stem.as_str()];
                vector[column] += weights[column];
            }
            vector
        };
        let vectors: Vec<Vec<f64>> = references.iter().map(vector).collect();
        let row = |reply: &Vec<String>| {
            let own = vector(reply);
            let pair = |(reference, other): (&Vec<String>, &Vec<f64>)| match reply == reference {
                true => 1.0,
                false => cosine(&own, other),
            };
            references.iter().zip(&vectors).map(pair).collect()
        };
        Ok(replies.iter().map(row).collect())
    }
}

fn stems(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    words(text).iter().map(|word| stemmer.stem(word).into_owned()).collect()
}

/// The weight of a word: `ln((N + 1) / n)` if n of N references have it. A word that no reference has counts
/// as a word of one reference. The weight is never 0, so that a single reference can be compared too.
fn rarity(references: &[Vec<String>], column_of: &BTreeMap<&str, usize>) -> Vec<f64> {
    let mut having = vec![0usize; column_of.len()];
    for reference in references {
        let mut columns: Vec<usize> = reference.iter().map(|stem| column_of[stem.as_str()]).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.into_iter().for_each(|column| having[column] += 1);
    }
    let all = references.len() as f64 + 1.0;
    having.into_iter().map(|having| (all / having.max(1) as f64).ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_say_tells_little() {
        let references = ["Take the blue cone.", "Take the white ring.", "Take the red cube.", "Well done."];
        let replies = ["take the blue cone", "Take the blue ring.", "Taking the red cubes!", "", "Bravo"];
        let cosines = Lexical.cosines(&replies, &references).unwrap();
        assert_eq!(cosines[0][0], 1.0);
        assert!(cosines[0][1] < 0.2, "{}", cosines[0][1]);
        assert!((0.4..0.6).contains(&cosines[1][1]), "{}", cosines[1][1]);
        assert_eq!(cosines[2][2], 1.0);
        assert!(cosines[3].iter().chain(&cosines[4]).all(|&cosine| cosine == 0.0));
    }

    #[test]
    fn a_single_reference_can_be_compared() {
        let cosines = Lexical.cosines(&["Stir the soup.", "Wait."], &["Stir the soup now."]).unwrap();
        assert!(cosines[0][0] > 0.8 && cosines[1][0] == 0.0, "{cosines:?}");
        // Without words, two texts are the same.
        assert_eq!(Lexical.cosines(&["..."], &["!"]).unwrap(), [[1.0]]);
    }
}
