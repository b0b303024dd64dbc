//! One thread takes what comes of a stream, others tell it what happens.

use std::sync::Arc;
use std::time::Duration;

use prospect_session::fake::Script;
use prospect_session::{Aside, Event, Guidance};

use super::fake::{FakeStreams, engine, settings, setup};
use super::laws::frame;
use super::serving::{reply, roomy};
use crate::output::Output;
use crate::{Engine, EngineError, EngineOptions, StreamInput};

const FRAMES: usize = 20;

#[test]
fn one_thread_takes_what_comes_while_others_tell_what_happens() {
    fn from_any_thread<T: Send + Sync>() {}
    from_any_thread::<Engine<FakeStreams>>();
    from_any_thread::<StreamInput<FakeStreams>>();
    let engine = engine(Script::new(&[3, 1], 1), EngineOptions::default());
    let stream = engine.open(roomy()).unwrap();
    let inputs = [(); 2].map(|()| stream.input().clone());
    let pump = std::thread::spawn(move || {
        let (mut indices, mut notes) = (Vec::new(), 0);
        while indices.len() < FRAMES || notes < FRAMES {
            match stream.next().unwrap() {
                Output::Event(Event::Frame { index, .. }) => indices.push(index),
                Output::Event(Event::SourceNote { .. }) => notes += 1,
                Output::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        (stream, indices)
    });
    std::thread::scope(|scope| {
        scope.spawn(|| (0..FRAMES).for_each(|index| inputs[0].frame(frame(index)).unwrap()));
        scope.spawn(|| {
            (0..FRAMES).for_each(|_| inputs[1].aside(Aside::SourceNote("note".to_owned())).unwrap());
        });
    });
    let (stream, indices) = pump.join().unwrap();
    assert_eq!(indices, (0..FRAMES).collect::<Vec<_>>());
    assert!(inputs[0].suspend(|parts| parts.is_ok()).unwrap());
    assert_eq!(inputs[1].finish(None).unwrap().frames, FRAMES);
    drop(stream);
}

#[test]
fn a_stream_whose_outputs_nobody_takes_is_closed_for_everybody() {
    let engine = engine(Script::new(&[1], 1), EngineOptions { memory: Some(2000), slice: 8 });
    let stream = engine.open(roomy()).unwrap();
    let input = stream.input().clone();
    input.frame(frame(0)).unwrap();
    assert_eq!(reply(&stream), None);
    drop(stream);
    // What tells it something is no reason to keep its cache.
    drop(engine.open(roomy()).unwrap());
    let stopped = [
        input.frame(frame(1)).err(),
        input.say("hot?").err(),
        input.aside(Aside::SourceNote("note".to_owned())).err(),
        input.suspend(|_| ()).err(),
        input.cut_reply().err(),
        input.finish(None).err(),
    ];
    assert!(stopped.iter().all(|error| matches!(error, Some(EngineError::Stopped))), "{stopped:?}");
}

#[test]
fn a_person_cuts_a_reply_short_and_nobody_else_notices() {
    let (model, permit) = FakeStreams::led(Script::new(&[1000, 1], 1));
    let model = Arc::new(model);
    let engine = Engine::start(Arc::clone(&model), EngineOptions { slice: 8, memory: None }).unwrap();
    let asks = settings(&[
        "context.max_seq_len=2000",
        "stream.system_prompt=Help.",
        "generation.max_new_tokens=1000",
    ]);
    let [cut, other] = [(); 2].map(|()| engine.open(setup(&asks, &Guidance::default())).unwrap());
    for stream in [&cut, &other] {
        stream.input().frame(frame(0)).unwrap();
    }
    permit.send(()).unwrap();
    while model.passes.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    // From the end of this pass on there are words.
    let input = cut.input().clone();
    let person = std::thread::spawn(move || while !input.cut_reply().unwrap() {});
    while !person.is_finished() {
        permit.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    person.join().unwrap();
    drop(permit);
    let text = reply(&cut).unwrap().text;
    assert!(text.len() < 999 && text.len().is_multiple_of(8), "{text}");
    assert_eq!(reply(&other).unwrap().text.len(), 999);
    assert!(!cut.input().cut_reply().unwrap());
    // Its next frame finds everything in order.
    cut.input().frame(frame(1)).unwrap();
    assert_eq!(reply(&cut), None);
    assert_eq!(cut.input().finish(None).unwrap().replies, 1);
}
