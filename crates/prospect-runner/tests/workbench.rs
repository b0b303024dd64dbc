//! The committed checkpoint on whole videos: the same tokens as `transformers`
//! (fixtures/workbench/goldens), and useful replies.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{stream, workbench};
use prospect_config::{Layers, Settings, WORKBENCH_CONFIG};
use prospect_session::Event;
use serde_json::Value;

fn settings(strategy: &str) -> Settings {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    let layers = layers.flag("--strategy", "context.strategy", strategy).unwrap();
    let budget = if strategy == "unlimited" { "8192" } else { "384" };
    layers.set(&format!("context.max_seq_len={budget}")).unwrap().resolve().unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Streams a video and compares every frame, reply and summary with a recording.
fn compare(golden: &Value) {
    let (video, strategy) = (golden["video"].as_str().unwrap(), golden["strategy"].as_str().unwrap());
    let events = stream(&settings(strategy), video);
    let frames = golden["frames"].as_array().unwrap();
    let (mut seen, mut replies, mut summaries) = (0, 0, 0);
    for event in &events {
        match event {
            Event::Frame { index, cache_tokens, not_talk_probability, .. } => {
                let expected = &frames[*index];
                let place = format!("{video} under {strategy}, frame {index}");
                assert_eq!(*cache_tokens as u64, expected["cache_tokens"], "{place}");
                let probability = expected["not_talk_probability"].as_f64().unwrap();
                let difference = (f64::from(not_talk_probability.unwrap()) - probability).abs();
                assert!(difference < 1e-3, "{place}: P(not talk) is off by {difference}");
                seen += 1;
            }
            Event::Reply { frame, token_ids, .. } => {
                assert_eq!(*token_ids, ids(&frames[*frame]["token_ids"]), "{video}, frame {frame}");
                replies += 1;
            }
            // A summary comes before the frame that overflows.
            Event::Summary { token_ids, .. } => {
                assert_eq!(*token_ids, ids(&frames[seen]["summary_ids"]), "{video}, before frame {seen}");
                summaries += 1;
            }
            _ => {}
        }
    }
    let spoken = frames.iter().filter(|frame| frame["token_ids"].as_array().unwrap().len() > 1).count();
    let summed_up = frames.iter().filter(|frame| !frame["summary_ids"].is_null()).count();
    assert_eq!((seen, replies, summaries), (frames.len(), spoken, summed_up), "{video} under {strategy}");
}

#[test]
fn whole_videos_give_the_tokens_of_the_reference() {
    let mut recordings = 0;
    for entry in std::fs::read_dir(workbench().join("goldens")).unwrap() {
        compare(&serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap());
        recordings += 1;
    }
    assert!(recordings >= 6, "{recordings} recordings");
}
