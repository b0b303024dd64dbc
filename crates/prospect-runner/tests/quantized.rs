//! `--quantize q8` decides as the exact model does, on whole videos of the committed checkpoint.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use prospect_config::{Layers, WORKBENCH_CONFIG};
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::display::Silent;
use prospect_runner::run::{self, RunInputs};
use prospect_runner::strategies::Registry;
use prospect_runner::trace::Event;

/// What a run decided at every frame, and how likely silence was; and the ids of its replies.
#[derive(Default)]
struct Decided {
    dtype: String,
    spoke: Vec<bool>,
    silence: Vec<f32>,
    replies: Vec<Vec<u32>>,
}

/// References stand in the context instead of replies, so that one different word is not counted at every frame after it.
fn run(video: &str, quantize: &str) -> Decided {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    let layers = layers.set("stream.reference_context=true").unwrap();
    let settings = layers.flag("--quantize", "model.quantize", quantize).unwrap().resolve().unwrap();
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings).unwrap();
    let videos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workbench/videos");
    let source = videos.join(video).display().to_string();
    let annotations = run::annotations_of(&settings, &source).unwrap();
    let (mut events, strategies) = (Vec::new(), Registry::default());
    let inputs = RunInputs {
        settings: &settings,
        strategies: &strategies,
        checkpoint: &checkpoint,
        source: &source,
        annotations: annotations.as_ref(),
    };
    run::run(inputs, &mut events, &mut Silent).unwrap();
    let mut decided = Decided::default();
    for event in events {
        match event {
            Event::RunStarted { dtype, .. } => decided.dtype = dtype,
            Event::Frame { spoke, not_talk_probability, .. } => {
                decided.spoke.push(spoke);
                decided.silence.push(not_talk_probability.unwrap());
            }
            Event::Reply { token_ids, .. } => decided.replies.push(token_ids),
            _ => {}
        }
    }
    decided
}

#[test]
fn q8_takes_the_decisions_of_f32() {
    let (mut frames, mut equal, mut replies, mut same) = (0, 0, 0, 0);
    for video in ["video_000.mp4", "video_001.mp4", "video_002.mp4", "repeats_000.mp4"] {
        let (exact, quantised) = (run(video, "none"), run(video, "q8"));
        assert_eq!(exact.dtype, "f32");
        assert_eq!(quantised.dtype, "f32 with int8 vision, int8 decoder, bf16 vision attention, bf16 cache");
        assert_ne!(exact.silence, quantised.silence, "{video}: q8 computes exactly what f32 does");
        frames += exact.spoke.len();
        equal += exact.spoke.iter().zip(&quantised.spoke).filter(|(exact, other)| exact == other).count();
        replies += exact.replies.len();
        same += exact.replies.iter().filter(|reply| quantised.replies.contains(reply)).count();
    }
    assert!(frames > 400, "{frames} frames");
    assert!(equal * 100 >= frames * 99, "{equal} of {frames} decisions are equal");
    assert!(same * 100 >= replies * 95, "{same} of {replies} replies are the same");
}
