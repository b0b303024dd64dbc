//! How often int8 changes the likeliest token of a decoder, and what each part costs.
//!
//! ```text
//! cargo run --release -p prospect-model --example rounding -- CHECKPOINT IDS
//! ```
//! `CHECKPOINT` is a folder. `IDS` is a text file: token ids of one text per line, with spaces between
//! them. Choose texts like those on which the model was trained, since a model is sure of their words.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "an example")]

use std::path::Path;

use prospect_context::PositionPolicy;
use prospect_model::{CacheType, Precisions, SmolVlm};

/// Logits of every position of every text, `[positions][vocab]`.
type Logits = Vec<Vec<f32>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, ids] = arguments.as_slice() else {
        eprintln!("expected two arguments: CHECKPOINT IDS");
        std::process::exit(2);
    };
    let texts: Vec<Vec<u32>> = std::fs::read_to_string(ids)
        .unwrap()
        .lines()
        .map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect())
        .collect();
    let exact = logits(checkpoint.as_ref(), Precisions::EXACT, &texts);
    println!("{:12} {:>9} {:>17} {:>10}", "in int8", "changed", "|q8 - f32|/|f32|", "load, s");
    let decoder = Precisions { decoder: Precisions::INT8_DECODER, ..Precisions::EXACT };
    let cache = Precisions { kv_cache: CacheType::Int8, ..Precisions::EXACT };
    let both = Precisions { kv_cache: CacheType::Int8, ..decoder };
    for (name, precisions) in [("decoder", decoder), ("cache", cache), ("both", both)] {
        let began = std::time::Instant::now();
        let rounded = logits(checkpoint.as_ref(), precisions, &texts);
        let changed = exact.iter().zip(&rounded).filter(|(a, b)| likeliest(a) != likeliest(b)).count();
        let share = 100.0 * changed as f64 / exact.len() as f64;
        let error = (squares(&exact, Some(&rounded)) / squares(&exact, None)).sqrt();
        println!("{name:12} {share:>8.2}% {error:>17.4} {:>10.1}", began.elapsed().as_secs_f64());
    }
}

fn logits(checkpoint: &Path, precisions: Precisions, texts: &[Vec<u32>]) -> Logits {
    let began = std::time::Instant::now();
    let model = SmolVlm::load_with(checkpoint, precisions).unwrap();
    eprintln!("loaded in {:.2} s", began.elapsed().as_secs_f64());
    let text = |ids: &Vec<u32>| {
        let mut cache = model.new_cache(ids.len(), PositionPolicy::Preserve).unwrap();
        model.prefill_all_logits(&model.embed_words(ids).unwrap(), &mut cache).unwrap()
    };
    texts.iter().flat_map(text).collect()
}

fn likeliest(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

/// The sum of squares of the differences, or of the logits themselves, each without its position's mean.
fn squares(logits: &Logits, others: Option<&Logits>) -> f64 {
    let row = |index: usize| {
        let difference = |(at, value): (usize, &f32)| f64::from(value - others.map_or(0.0, |o| o[index][at]));
        let values: Vec<f64> = logits[index].iter().enumerate().map(difference).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    (0..logits.len()).map(row).sum()
}
