//! The committed trained checkpoints on whole videos: the same tokens as `transformers`
//! (`fixtures/workbench/goldens`, `fixtures/memory/goldens`).
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::{stream, workbench};
use prospect_config::{Layers, Settings};
use prospect_session::Event;
use serde_json::Value;

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A trained checkpoint with its videos, its settings and the budget of its recordings in tokens.
struct Trained {
    folder: PathBuf,
    config: &'static str,
    budget: &'static str,
}

impl Trained {
    fn settings(&self, strategy: &str) -> Settings {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(self.config);
        let layers = Layers::new().file(&config).unwrap();
        let layers = layers.flag("--strategy", "context.strategy", strategy).unwrap();
        let layers = layers.flag("--model", "model.path", self.folder.to_str().unwrap()).unwrap();
        let budget = if strategy == "unlimited" { "8192" } else { self.budget };
        layers.set(&format!("context.max_seq_len={budget}")).unwrap().resolve().unwrap()
    }

    /// Compares every recording, and returns their number.
    fn compare_all(&self) -> usize {
        let mut recordings = 0;
        for entry in std::fs::read_dir(self.folder.join("goldens")).unwrap() {
            self.compare(&serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap());
            recordings += 1;
        }
        recordings
    }

    /// Streams a video and compares every frame, reply and summary with a recording.
    fn compare(&self, golden: &Value) {
        let (video, strategy) = (golden["video"].as_str().unwrap(), golden["strategy"].as_str().unwrap());
        let file = self.folder.join(format!("videos/{video}.mp4"));
        let events = stream(&self.settings(strategy), &file);
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
}

#[test]
fn workbench_videos_give_the_tokens_of_the_reference() {
    let trained = Trained { folder: workbench(), config: "workbench.toml", budget: "384" };
    assert!(trained.compare_all() >= 6);
}

#[test]
fn memory_videos_give_the_tokens_of_the_reference() {
    let trained =
        Trained { folder: workbench().with_file_name("memory"), config: "memory.toml", budget: "1024" };
    assert!(trained.compare_all() >= 4);
}
