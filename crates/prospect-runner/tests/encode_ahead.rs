//! Encoding frames ahead, while the model is busy with the previous frame, gives the same trace as
//! encoding them at their turn.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{stream, workbench};
use prospect_config::{EncodeAhead, Layers, Settings, WORKBENCH_CONFIG};
use prospect_engine::{Preparation, PreparedPicture};
use prospect_processor::RgbImage;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::interrupt::Interrupt;
use prospect_session::Event;

fn settings(keys: &[&str]) -> Settings {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    keys.iter().fold(layers, |layers, key| layers.set(key).unwrap()).resolve().unwrap()
}

/// All events after the settings, without times, and the time that the turns of the frames spent on
/// their pictures.
fn traced(keys: &[&str]) -> (Vec<Event>, f64) {
    let mut vision_ms = 0.0;
    let video = workbench().join("videos/repeats_000.mp4");
    let events = stream(&settings(keys), &video).into_iter().skip(1).map(|mut event| {
        match &mut event {
            Event::Frame { times, .. } => vision_ms += std::mem::take(times).vision_ms,
            Event::Summary { ms, .. } => *ms = 0.0,
            Event::Overflow { ms, memory_bytes, .. } => (*ms, *memory_bytes) = (0.0, None),
            Event::RunFinished { p50_ms, p95_ms, p99_ms, peak_memory_bytes, .. } => {
                (*p50_ms, *p95_ms, *p99_ms, *peak_memory_bytes) = (0.0, 0.0, 0.0, None);
            }
            _ => {}
        }
        event
    });
    (events.collect(), vision_ms)
}

#[test]
fn the_trace_is_the_same() {
    let keys = ["context.strategy=summarize_and_drop", "context.max_seq_len=512"];
    let (in_turn, vision_ms) = traced(&[&keys[..], &["model.encode_ahead=off"]].concat());
    let (ahead, vision_ms_ahead) = traced(&[&keys[..], &["model.encode_ahead=on"]].concat());
    assert_eq!(ahead, in_turn);
    assert!(in_turn.iter().any(|event| matches!(event, Event::Summary { .. })));
    assert!(vision_ms_ahead < vision_ms, "{vision_ms_ahead} of {vision_ms} ms: nothing was done ahead");
}

#[test]
fn what_is_shown_again_is_scaled_once() {
    let checkpoint = Checkpoint::load(&settings(&[]), &Interrupt::default()).unwrap();
    let mut preparation =
        Preparation::new(&checkpoint.model, &checkpoint.processor, EncodeAhead::Off).unwrap();
    let mut scaled = |image: &Arc<RgbImage>| match preparation.prepare(image).unwrap().prepared {
        PreparedPicture::Scaled(pixels) => pixels,
        PreparedPicture::Encoded(_) => panic!("nothing is encoded ahead"),
    };
    let [grey, same, other] =
        [90, 90, 91].map(|value| Arc::new(RgbImage::from_pixel(40, 30, [value; 3].into())));
    let first = scaled(&grey);
    assert!(Arc::ptr_eq(&first, &scaled(&grey)), "the same picture");
    assert!(Arc::ptr_eq(&first, &scaled(&same)), "equal pixels");
    assert!(scaled(&other).values != first.values);
    assert_eq!(scaled(&grey).values, first.values);
}
