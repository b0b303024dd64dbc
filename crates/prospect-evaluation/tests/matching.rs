//! The matching of replies with references against scipy's assignment on the same costs (`fixtures/goldens/matching`).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use prospect_evaluation::{Dialogue, Verdict, Window, match_replies};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    frames: usize,
    before: usize,
    after: usize,
    replies: Vec<usize>,
    references: Vec<usize>,
    cosine: [usize; 3],
    total: f64,
}

impl Case {
    fn cosines(&self) -> Vec<Vec<f64>> {
        let [a, b, c] = self.cosine;
        let cosine = |i: usize, j: usize| ((i * a + j * b + c) % 2001) as f64 / 1000.0 - 1.0;
        let row = |i: usize| (0..self.references.len()).map(|j| cosine(i, j)).collect();
        (0..self.replies.len()).map(row).collect()
    }
}

#[test]
fn the_total_is_the_least_on_every_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/matching/cases.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 200);
    let (mut matched, mut redundant) = (0, 0);
    for (number, case) in cases.iter().enumerate() {
        let cosines = case.cosines();
        let (replies, references) = (&case.replies, &case.references);
        let dialogue = Dialogue { frames: case.frames, replies, references, cosines: &cosines };
        let given = match_replies(&dialogue, Window { before: case.before, after: case.after });
        let total: f64 = given.iter().map(|given| given.cost).sum();
        assert!((total - case.total).abs() < 1e-6, "case {number}: {total}, expected {}", case.total);
        let mut frames: Vec<usize> = given.iter().map(|given| given.frame).collect();
        frames.sort_unstable();
        frames.dedup();
        assert_eq!(frames.len(), case.replies.len(), "case {number}: a frame was given twice");
        for (reply, given) in case.replies.iter().zip(&given) {
            let in_window =
                reply.saturating_sub(case.before) <= given.frame && given.frame <= reply + case.after;
            assert!(in_window, "case {number}: frame {} for a reply at {reply}", given.frame);
            matched += usize::from(given.verdict == Verdict::Matched);
            redundant += usize::from(given.verdict == Verdict::Redundant);
        }
    }
    assert!(matched > 100 && redundant > 100, "{matched} {redundant}");
}
