//! The trace as it stands in the file, measurements masked.

use serde_json::Value;

use prospect_config::UserRequest;

use super::driver::{FakeModel, run, settings};
use crate::Guidance;

/// Zero for everything that is measured.
fn masked(mut event: Value) -> String {
    if let Some(fields) = event.as_object_mut() {
        for (key, value) in fields {
            if key.ends_with("ms") || key.ends_with("_bytes") {
                *value = 0.into();
            }
        }
    }
    event.to_string()
}

#[test]
fn every_event_of_a_stream() {
    let settings = settings(&[
        "stream.system_prompt=Help.",
        "context.max_seq_len=100",
        "context.reserved_seq_len=20",
        "context.strategy=summarize_and_drop",
        "context.summarize_and_drop.summary_prompt=sum up",
        "context.summarize_and_drop.max_summary_len=6",
        "generation.max_new_tokens=8",
    ]);
    let question = UserRequest { time: 0.5, text: "hot?".into() };
    let guidance = Guidance { requests: vec![question], ..Guidance::default() };
    let run = run(&mut FakeModel::new(100, 8, &[1, 4], 4), &settings, &guidance, 9);
    let lines: Vec<String> =
        run.events.iter().map(|event| masked(serde_json::to_value(event).unwrap())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
