//! `--quantize q8` makes the same decisions as the exact model, on whole videos with the committed
//! checkpoint.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{stream, workbench};
use prospect_config::{Layers, WORKBENCH_CONFIG};
use prospect_session::Event;

/// The decision and the probability of silence at every frame, and the token ids of the replies.
#[derive(Default)]
struct Decided {
    dtype: String,
    spoke: Vec<bool>,
    silence: Vec<f32>,
    replies: Vec<Vec<u32>>,
}

/// References take the place of replies in the context, so that one different token does not affect all
/// later frames.
fn decide(video: &str, quantize: &str) -> Decided {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    let layers = layers.set("stream.reference_context=true").unwrap();
    let settings = layers.flag("--quantize", "model.quantize", quantize).unwrap().resolve().unwrap();
    let mut decided = Decided::default();
    for event in stream(&settings, &workbench().join(format!("videos/{video}.mp4"))) {
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
    for video in ["video_000", "video_001", "video_002", "repeats_000"] {
        let (exact, quantised) = (decide(video, "none"), decide(video, "q8"));
        assert_eq!(exact.dtype, "f32");
        assert_eq!(quantised.dtype, "f32 with int8 vision, int8 decoder, bf16 vision attention, int8 cache");
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
