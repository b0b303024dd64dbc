//! Many streams on one copy of the weights: each has the same trace as alone, under every strategy, in
//! f32 and q8.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use prospect_config::{EncodeAhead, Layers, Settings, WORKBENCH_CONFIG};
use prospect_engine::{
    Engine, EngineOptions, Output, Preparation, Resumption, SmolVlmStreams, Stream, StreamFrame, StreamSetup,
};
use prospect_evaluation::annotations::Annotations;
use prospect_model::{StoredTensors, write_tensors};
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::interrupt::Interrupt;
use prospect_runner::run::{self, RunInputs};
use prospect_runner::strategies::Registry;
use prospect_session::fake::strategies;
use prospect_source::{Frame, SourceOptions};

const FRAMES: usize = 40;

fn settings(sets: &[&str]) -> Settings {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    sets.iter().fold(layers, |layers, set| layers.set(set).unwrap()).resolve().unwrap()
}

/// A video with its strategy.
struct Watched {
    settings: Settings,
    annotations: Annotations,
    frames: Vec<Frame>,
}

/// One video per strategy, alternating between the repository's two videos, each begun at another
/// frame.
fn watched(checkpoint: &Checkpoint, model: &[&str]) -> Vec<Watched> {
    let videos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workbench/videos");
    let video = |(index, strategy): (usize, &'static str)| {
        let name = if index % 2 == 0 { "video_000" } else { "repeats_000" };
        let source = videos.join(format!("{name}.mp4")).display().to_string();
        let strategy = format!("context.strategy={strategy}");
        let settings = checkpoint.fit(settings(&[model, &[&strategy]].concat())).unwrap();
        let annotations = run::annotations_of(&settings, &source).unwrap().unwrap();
        let mut frames = prospect_source::open(&source, SourceOptions::at(2.0)).unwrap();
        let frames = std::iter::from_fn(|| frames.next_frame()).map(Result::unwrap);
        Watched { settings, annotations, frames: frames.skip(3 * index).take(FRAMES).collect() }
    };
    // The stateless baseline has no overflow.
    strategies().into_iter().filter(|name| *name != "none").enumerate().map(video).collect()
}

fn engine(checkpoint: &Checkpoint, slice: usize) -> Engine<SmolVlmStreams> {
    let model = SmolVlmStreams::new(Arc::clone(&checkpoint.model), &checkpoint.processor);
    Engine::start(Arc::new(model), EngineOptions { slice, memory: None }).unwrap()
}

impl Watched {
    fn setup(&self, checkpoint: &Checkpoint) -> StreamSetup {
        let inputs = RunInputs {
            settings: &self.settings,
            strategies: &Registry::default(),
            checkpoint,
            source: "video",
            annotations: Some(&self.annotations),
            interrupt: &Interrupt::default(),
        };
        inputs.setup().unwrap()
    }

    fn push_all(&self, checkpoint: &Checkpoint, stream: &Stream<SmolVlmStreams>) {
        let mut preparation =
            Preparation::new(&checkpoint.model, &checkpoint.processor, EncodeAhead::Off).unwrap();
        for Frame { index, time, image, .. } in &self.frames {
            let picture = preparation.prepare(image).unwrap();
            stream.input().frame(StreamFrame { index: *index, time: *time, picture, arrival: None }).unwrap();
        }
    }
}

/// The events of a stream without measurements. Checks that words reported one by one make up the
/// replies.
fn trace(stream: &Stream<SmolVlmStreams>, frames: usize, exact: bool) -> Vec<String> {
    let (mut events, mut over, mut told) = (Vec::new(), 0, String::new());
    while over < frames {
        match stream.next().unwrap() {
            Output::Event(event) => events.push(event),
            Output::Words(words) => told.push_str(&words.text),
            Output::FrameDone(reply) => {
                let said = reply.map(|reply| reply.text).unwrap_or_default();
                assert!(told.is_empty() || told == said, "{told:?} of {said:?}");
                (over, told) = (over + 1, String::new());
            }
            Output::Failed(error) => panic!("{error}"),
        }
    }
    let without_measurements = |event: &prospect_session::Event| {
        let mut event = serde_json::to_value(event).unwrap();
        event.as_object_mut().unwrap().retain(|key, _| {
            let measured = key.ends_with("ms") || key.ends_with("_bytes");
            let inexact = ["not_talk_probability", "similarity"].contains(&key.as_str());
            !measured && (exact || !inexact)
        });
        event.to_string()
    };
    events.iter().map(without_measurements).collect()
}

/// With `exact` the traces are equal to the bit, including probabilities; otherwise they have the same
/// tokens.
fn holds(model: &[&str], exact: bool) {
    let (checkpoint, _) = Checkpoint::load_for_stream(&settings(model), &Interrupt::default()).unwrap();
    let watched = watched(&checkpoint, model);
    let alone = |watched: &Watched| {
        let engine = engine(&checkpoint, 1000);
        let stream = engine.open(watched.setup(&checkpoint)).unwrap();
        watched.push_all(&checkpoint, &stream);
        trace(&stream, watched.frames.len(), exact)
    };
    let alone: Vec<Vec<String>> = watched.iter().map(alone).collect();
    let engine = engine(&checkpoint, 3);
    // Listening to words changes nothing.
    let heard = |watched: &Watched| StreamSetup { tells_words: true, ..watched.setup(&checkpoint) };
    let together: Vec<_> = watched.iter().map(|watched| engine.open(heard(watched)).unwrap()).collect();
    watched.iter().zip(&together).for_each(|(watched, stream)| watched.push_all(&checkpoint, stream));
    let mut overflows = 0;
    for ((stream, watched), alone) in together.iter().zip(&watched).zip(alone) {
        let trace = trace(stream, watched.frames.len(), exact);
        let parts = trace.iter().zip(&alone).find(|(here, there)| here != there);
        assert!(parts.is_none() && trace.len() == alone.len(), "{parts:?}");
        overflows += trace.iter().filter(|event| event.contains("\"event\":\"overflow\"")).count();
    }
    assert!(overflows > watched.len(), "{overflows} overflows");
}

#[test]
fn eight_videos_at_once_write_the_traces_of_each_alone_in_f32() {
    holds(&[], true);
}

#[test]
fn eight_videos_at_once_write_the_traces_of_each_alone_in_q8() {
    holds(&["model.quantize=q8"], true);
}

#[test]
fn eight_videos_at_once_say_the_same_over_tensors() {
    holds(&["model.kernels=plain", "model.dtype=f32"], false);
}

#[test]
fn a_reply_that_is_cut_leaves_the_cache_as_the_stream_knows_it() {
    let (checkpoint, _) = Checkpoint::load_for_stream(&settings(&[]), &Interrupt::default()).unwrap();
    let watched = watched(&checkpoint, &[]).remove(0);
    // Word by word: a reply may be cut behind each.
    let engine = engine(&checkpoint, 1);
    let stream = engine.open(watched.setup(&checkpoint)).unwrap();
    let input = stream.input().clone();
    let person = std::thread::spawn(move || while !input.cut_reply().unwrap() {});
    let mut preparation =
        Preparation::new(&checkpoint.model, &checkpoint.processor, EncodeAhead::Off).unwrap();
    for Frame { index, time, image, .. } in &watched.frames {
        let picture = preparation.prepare(image).unwrap();
        stream.input().frame(StreamFrame { index: *index, time: *time, picture, arrival: None }).unwrap();
        trace(&stream, 1, true);
        if person.is_finished() {
            break;
        }
    }
    // Cutting the reply was the last change of the cache.
    assert!(person.is_finished());
    let written = stream.input().suspend(|parts| {
        let parts = parts.unwrap();
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, "", &parts.model.tensors).unwrap();
        (parts.memory, parts.model.description, bytes)
    });
    let (memory, model, bytes) = written.unwrap();
    let resumption = Some(Resumption { memory, model, tensors: StoredTensors::parse(bytes).unwrap() });
    // A cache whose length differs from the stream's account of it is refused.
    engine.open(StreamSetup { resumption, ..watched.setup(&checkpoint) }).unwrap();
}
