//! Machines with older instruction sets compute the same model: the goldens are tested again in
//! processes that may use fewer instructions than this machine has.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Command;

use common::{CHECKPOINTS, OneShot, TOLERANCE, load, max_difference};
use prospect_model::{Precisions, SmolVlm};

const VARIABLE: &str = "PROSPECT_INSTRUCTIONS";
const INSIDE: &str = "PROSPECT_TEST_INSIDE";

/// Runs one test of this file again in another process, because the variable is read once per process.
fn again(test: &str, instructions: &str) {
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(this);
    command.args([test, "--exact", "--nocapture"]).env(VARIABLE, instructions).env(INSIDE, "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{instructions}: {text}");
}

#[test]
fn fewer_instructions_give_the_goldens() {
    if std::env::var(INSIDE).is_err() {
        ["avx2", "portable"].iter().for_each(|set| again("fewer_instructions_give_the_goldens", set));
    }
    for checkpoint in CHECKPOINTS {
        let (model, case) = (load(checkpoint), OneShot::split(checkpoint));
        let logits = case.logits_of(&model);
        let off = max_difference(&logits[logits.len() - case.logits.len()..], &case.logits);
        assert!(off < TOLERANCE, "{checkpoint}: {off}");
        // Products of quantized inputs and weights are exact integers on every machine; the other
        // operations are floats.
        let quantised = SmolVlm::load_with(&common::folder(checkpoint), Precisions::Q8).unwrap();
        let logits = case.logits_of(&quantised);
        let off = max_difference(&logits[logits.len() - case.logits.len()..], &case.logits);
        let size = case.logits.iter().fold(0.0f32, |size, logit| size.max(logit.abs()));
        assert!(off > TOLERANCE && off < 0.2 * size, "{checkpoint}, q8: {off} of {size}");
    }
}
