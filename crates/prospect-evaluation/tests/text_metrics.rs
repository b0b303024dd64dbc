//! The text metrics against what the Python packages say (`fixtures/goldens/text_metrics`).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use proptest::prelude::*;
use prospect_evaluation::text::{BleuCounts, cider, meteor, words};
use serde::Deserialize;

const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Tokens {
    text: String,
    words: Vec<String>,
}

#[derive(Deserialize)]
struct Corpus {
    pairs: Vec<(String, String)>,
    bleu: [f64; 4],
    cider: f64,
    cider_per_pair: Vec<f64>,
    meteor_per_pair: Vec<f64>,
}

impl Corpus {
    fn words(&self) -> Vec<(Vec<String>, Vec<String>)> {
        self.pairs.iter().map(|(reply, reference)| (words(reply), words(reference))).collect()
    }
}

fn cases<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/text_metrics").join(name);
    let json = std::fs::read_to_string(path).expect("the fixture is there");
    serde_json::from_str(&json).expect("the fixture is as recorded")
}

#[track_caller]
fn assert_near(ours: &[f64], theirs: &[f64], what: &str) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let deviation = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max);
    assert!(deviation < TOLERANCE, "{what}: {ours:?} instead of {theirs:?}");
    deviation
}

#[test]
fn words_are_those_of_the_caption_benchmarks() {
    let cases: Vec<Tokens> = cases("tokens.json");
    assert!(cases.len() >= 300);
    for case in cases {
        assert_eq!(words(&case.text), case.words, "{:?}", case.text);
    }
}

#[test]
fn bleu_is_that_of_the_caption_benchmarks() {
    let mut worst: f64 = 0.0;
    for (number, corpus) in cases::<Corpus>("corpora.json").iter().enumerate() {
        let counts: BleuCounts =
            corpus.words().iter().map(|(reply, reference)| BleuCounts::of(reply, reference)).sum();
        worst = worst.max(assert_near(&counts.scores(), &corpus.bleu, &format!("corpus {number}")));
    }
    println!("largest deviation of BLEU: {worst:e}");
}

#[test]
fn cider_is_that_of_the_caption_benchmarks() {
    let mut worst: f64 = 0.0;
    for (number, corpus) in cases::<Corpus>("corpora.json").iter().enumerate() {
        let scores = cider(&corpus.words());
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        worst = worst.max(assert_near(&scores, &corpus.cider_per_pair, &format!("corpus {number}")));
        worst = worst.max(assert_near(&[mean], &[corpus.cider], &format!("corpus {number}")));
    }
    println!("largest deviation of CIDEr: {worst:e}");
}

#[test]
fn meteor_is_that_of_nltk_without_synonyms() {
    let mut worst: f64 = 0.0;
    for (number, corpus) in cases::<Corpus>("corpora.json").iter().enumerate() {
        let scores: Vec<f64> =
            corpus.words().iter().map(|(reply, reference)| meteor(reply, reference)).collect();
        worst = worst.max(assert_near(&scores, &corpus.meteor_per_pair, &format!("corpus {number}")));
    }
    println!("largest deviation of METEOR: {worst:e}");
}

/// Any characters, but mostly those that rules are about.
fn text() -> impl Strategy<Value = String> {
    let telling = "[a-dnstDNST0-9 .,;:!?'\"’‘“”`()<>{}\\[\\]@#$%&*+/\\\\_=^|~½°é\\-–—…\u{AD}\n]{0,24}";
    prop_oneof![any::<String>(), telling]
}

proptest! {
    #[test]
    fn words_of_any_text_are_lower_case_and_not_empty(text in text()) {
        for word in words(&text) {
            prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace), "{:?}", word);
            prop_assert_eq!(word.to_lowercase(), word);
        }
    }

    #[test]
    fn scores_of_any_texts_are_in_their_range(reply in text(), reference in text()) {
        let (reply, reference) = (words(&reply), words(&reference));
        let bleu = BleuCounts::of(&reply, &reference).scores();
        prop_assert!(bleu.iter().all(|score| (0.0..=1.0 + 1e-9).contains(score)), "{:?}", bleu);
        prop_assert!((0.0..=1.0).contains(&meteor(&reply, &reference)));
        let scores = cider(&[(reply, reference), (words("another reply"), words("another reference"))]);
        prop_assert!(scores.iter().all(|score| (0.0..=10.0 + 1e-9).contains(score)), "{:?}", scores);
    }
}
