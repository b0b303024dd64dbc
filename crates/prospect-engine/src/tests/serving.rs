//! Who waits for whom, who is let in, what people say, what is written down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prospect_model::{StoredTensors, write_tensors};
use prospect_session::fake::{REFUSED, Script};
use prospect_session::{Event, Guidance, OpeningTexts, Reply, StageTimes};

use super::fake::{FakeStreams, engine, settings, setup};
use super::laws::frame;
use crate::output::Output;
use crate::stream::Stream;
use crate::{Engine, EngineError, EngineLoad, EngineOptions, Resumption, StreamSetup};

const ROOMY: [&str; 2] = ["context.max_seq_len=2000", "stream.system_prompt=Help."];

pub(super) fn roomy() -> StreamSetup {
    setup(&settings(&ROOMY), &Guidance::default())
}

/// Waits until a frame is over.
pub(super) fn reply(stream: &Stream<FakeStreams>) -> Option<Reply> {
    loop {
        match stream.next().unwrap() {
            Output::Event(_) | Output::Words(_) => {}
            Output::FrameDone(reply) => return reply,
            Output::Failed(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_frame_waits_for_one_slice_of_somebody_elses_reply() {
    // Everybody says 200 tokens once, then nothing.
    let (model, permit) = FakeStreams::led(Script::new(&[200, 1], 1));
    let model = Arc::new(model);
    let engine = Engine::start(Arc::clone(&model), EngineOptions { slice: 8, memory: None }).unwrap();
    let asks = settings(&[&ROOMY[..], &["generation.max_new_tokens=200"]].concat());
    let [talker, watcher] = [(); 2].map(|()| engine.open(setup(&asks, &Guidance::default())).unwrap());
    // The watcher has said what it has to say.
    watcher.input().frame(frame(0)).unwrap();
    (0..25).for_each(|_| permit.send(()).unwrap());
    assert_eq!(reply(&watcher).unwrap().text.len(), 199);
    // Two passes into the talker's reply, a frame of the watcher comes.
    talker.input().frame(frame(0)).unwrap();
    (0..2).for_each(|_| permit.send(()).unwrap());
    while model.passes.lock().unwrap().len() < 27 {
        std::thread::yield_now();
    }
    watcher.input().frame(frame(1)).unwrap();
    // The pass that is under way ends, and the next one has both.
    (0..2).for_each(|_| permit.send(()).unwrap());
    assert_eq!(reply(&watcher), None);
    let together = model.passes.lock().unwrap()[27..].iter().position(|&parts| parts == 2);
    assert!(
        together.is_some_and(|waited| waited <= 1),
        "{together:?} passes without the frame that had come"
    );
    (0..40).for_each(|_| permit.send(()).unwrap());
    assert_eq!(reply(&talker).unwrap().text.len(), 199);
}

#[test]
fn the_frame_that_is_due_first_is_encoded_first() {
    let (model, permit) = FakeStreams::led(Script::new(&[1], 1));
    let engine = Engine::start(Arc::new(model), EngineOptions::default()).unwrap();
    let streams = [(); 3].map(|()| engine.open(roomy()).unwrap());
    // Something to do while the others' frames come.
    streams[0].input().frame(frame(0)).unwrap();
    let now = Instant::now();
    let due = |seconds| Some((now, now + Duration::from_secs(seconds), 0));
    // One of them has no pace: it comes behind the one that has.
    for (stream, arrival) in [(&streams[1], None), (&streams[2], due(10))] {
        stream.input().frame(crate::StreamFrame { arrival, ..frame(0) }).unwrap();
    }
    // One frame is encoded a round: after two more rounds it is the urgent one that is over.
    (0..2).for_each(|_| permit.send(()).unwrap());
    assert_eq!(reply(&streams[0]), None);
    assert_eq!(reply(&streams[2]), None);
    assert!(streams[1].rest().all(|output| matches!(output, Output::Event(_))), "it waits");
    permit.send(()).unwrap();
    assert_eq!(reply(&streams[1]), None);
}

#[test]
fn a_stream_that_would_not_fit_is_refused_with_the_numbers() {
    let engine = engine(Script::new(&[1], 1), EngineOptions { memory: Some(5000), slice: 8 });
    let first = engine.open(roomy()).unwrap();
    let _second = engine.open(roomy()).unwrap();
    let refused = engine.open(roomy()).err().unwrap();
    assert!(matches!(refused, EngineError::NoMemory { needed: 2000, taken: 4000, limit: 5000 }), "{refused}");
    drop(first);
    // What was closed is free again.
    let third = engine.open(roomy()).unwrap();
    third.input().frame(frame(0)).unwrap();
    assert_eq!(reply(&third), None);
}

#[test]
fn people_speak_while_it_watches() {
    let engine = engine(Script::new(&[3], 1), EngineOptions::default());
    let asked = settings(&[&ROOMY[..], &["stream.talk=on_request"]].concat());
    let stream = engine.open(setup(&asked, &Guidance::default())).unwrap();
    let input = stream.input().clone();
    stream.input().frame(frame(0)).unwrap();
    assert_eq!(reply(&stream), None);
    std::thread::spawn(move || {
        assert!(input.say(REFUSED).is_err());
        input.say("hot?").unwrap();
        let texts = OpeningTexts { system_prompt: "Watch.".into(), task_knowledge: None };
        input.set_opening(texts).unwrap();
    })
    .join()
    .unwrap();
    stream.input().frame(frame(1)).unwrap();
    let mut told = Vec::new();
    let answer = loop {
        match stream.next().unwrap() {
            Output::Event(Event::Message { text, .. }) => told.push(text),
            Output::Event(_) | Output::Words(_) => {}
            Output::FrameDone(reply) => break reply,
            Output::Failed(error) => panic!("{error}"),
        }
    };
    assert_eq!((answer.unwrap().text.as_str(), told), ("aa", vec!["Watch.".to_owned(), "hot?".to_owned()]));
}

#[test]
fn an_eviction_takes_the_time_that_it_takes() {
    let mut model = FakeStreams::new(Script::new(&[1], 1));
    model.eviction = Duration::from_millis(20);
    let engine = Engine::start(Arc::new(model), EngineOptions::default()).unwrap();
    let small = settings(&[
        "stream.system_prompt=Help.",
        "context.strategy=drop_all",
        "context.max_seq_len=60",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let stream = engine.open(setup(&small, &Guidance::default())).unwrap();
    let (mut index, mut evicted) = (0, None);
    let times = loop {
        stream.input().frame(frame(index)).unwrap();
        index += 1;
        match loop_until_frame(&stream, &mut evicted) {
            Some(times) if evicted.is_some() => break times,
            _ => {}
        }
    };
    // The pause is no measurement: the frame, not its encoding, has to bear the eviction's time.
    let ms = evicted.unwrap();
    assert!(
        ms >= 20.0 && times.total_ms >= ms && times.vision_ms < ms,
        "{times:?} for an eviction of {ms} ms"
    );
}

/// The times of the next frame, and what the eviction before it took.
fn loop_until_frame(stream: &Stream<FakeStreams>, evicted: &mut Option<f64>) -> Option<StageTimes> {
    let mut times = None;
    loop {
        match stream.next().unwrap() {
            Output::Event(Event::Overflow { ms, .. }) => *evicted = Some(ms),
            Output::Event(Event::Frame { times: of_frame, .. }) => times = Some(of_frame),
            Output::Event(_) | Output::Words(_) => {}
            Output::FrameDone(_) => return times,
            Output::Failed(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_stream_is_written_down_between_two_frames_and_goes_on() {
    let engine = engine(Script::new(&[1, 4, 1], 1), EngineOptions::default());
    let stream = engine.open(roomy()).unwrap();
    stream.input().frame(frame(0)).unwrap();
    reply(&stream);
    let kept = stream.input().suspend(|parts| {
        let parts = parts.unwrap();
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, "text", &parts.model.tensors).unwrap();
        (parts.memory, parts.model.description, bytes)
    });
    let (memory, model, bytes) = kept.unwrap();
    let tensors = StoredTensors::parse(bytes).unwrap();
    let resumption = Some(Resumption { memory, model, tensors });
    let again = engine.open(StreamSetup { resumption, ..roomy() }).unwrap();
    again.input().frame(frame(1)).unwrap();
    assert_eq!(reply(&again).unwrap().text, "aaa");
}

#[test]
fn a_stream_at_work_is_not_written_down() {
    let (model, permit) = FakeStreams::led(Script::new(&[1], 1));
    let engine = Engine::start(Arc::new(model), EngineOptions::default()).unwrap();
    let stream = engine.open(roomy()).unwrap();
    // Two frames: behind the first pass the second one waits.
    (0..2).for_each(|index| stream.input().frame(frame(index)).unwrap());
    permit.send(()).unwrap();
    assert_eq!(reply(&stream), None);
    let asks = std::thread::spawn(move || {
        let at_work = stream.input().suspend(|parts| matches!(parts, Err(EngineError::AtWork)));
        (at_work.unwrap(), stream)
    });
    permit.send(()).unwrap();
    let (was_at_work, stream) = asks.join().unwrap();
    // Whether it was heard before the second pass or after it.
    assert!(was_at_work || reply(&stream).is_none());
    drop(permit);
    let finished = stream.input().finish(None).unwrap();
    assert!(finished.frames >= 1);
    // What has ended takes nothing more, and says so.
    stream.input().frame(frame(9)).unwrap();
    assert!(stream.input().say("hot?").is_err());
    assert!(stream.rest().any(|output| matches!(output, Output::Failed(EngineError::Stopped))));
}

#[test]
fn a_failed_stream_leaves_the_others_alone_and_closes_its_trace() {
    let engine = engine(Script::new(&[1], 1), EngineOptions::default());
    let tight = settings(&[
        "context.strategy=unlimited",
        "context.max_seq_len=60",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
        "stream.system_prompt=Help.",
    ]);
    let [fails, goes_on] = [tight, settings(&ROOMY)]
        .map(|settings| engine.open(setup(&settings, &Guidance::default())).unwrap());
    for index in 0..10 {
        fails.input().frame(frame(index)).unwrap();
        goes_on.input().frame(frame(index)).unwrap();
    }
    (0..10).for_each(|_| drop(reply(&goes_on)));
    let error = loop {
        if let Output::Failed(error) = fails.next().unwrap() {
            break error;
        }
    };
    assert!(error.to_string().contains("the cache overflowed"), "{error}");
    let statistics = fails.input().finish(Some(error.to_string())).unwrap();
    assert!(statistics.frames > 2 && statistics.frames < 10);
}

#[test]
fn handles_outlive_the_engine() {
    let engine = engine(Script::new(&[3], 1), EngineOptions::default());
    let stream = engine.open(roomy()).unwrap();
    drop(engine);
    stream.input().frame(frame(0)).unwrap();
    assert_eq!(reply(&stream).unwrap().text, "aa");
}

#[test]
fn what_waits_and_what_is_taken_is_counted() {
    let (model, permit) = FakeStreams::led(Script::new(&[1], 1));
    let options = EngineOptions { memory: Some(5000), slice: 8 };
    let engine = Engine::start(Arc::new(model), options).unwrap();
    let of = |streams: usize, frames_waiting| EngineLoad {
        streams,
        cache_bytes: 2000 * streams as u64,
        memory: Some(5000),
        frames_waiting,
    };
    assert_eq!(engine.load(), of(0, 0));
    let [watched, other] = [(); 2].map(|()| engine.open(roomy()).unwrap());
    assert_eq!(engine.load(), of(2, 0));
    // The first is worked on, or about to be, whether the engine has heard of the others or not.
    (0..3).for_each(|index| watched.input().frame(frame(index)).unwrap());
    while engine.load().frames_waiting > 2 {
        std::thread::yield_now();
    }
    assert_eq!(engine.load(), of(2, 2));
    permit.send(()).unwrap();
    assert_eq!(reply(&watched), None);
    while engine.load().frames_waiting > 1 {
        std::thread::yield_now();
    }
    // What is closed waits for nothing any more.
    drop(watched);
    drop(permit);
    other.input().frame(frame(0)).unwrap();
    assert_eq!(reply(&other), None);
    assert_eq!(engine.load(), of(1, 0));
}

#[test]
fn a_reply_is_heard_slice_by_slice_where_that_is_asked_for() {
    let engine = engine(Script::new(&[1, 20, 1, 3], 1), EngineOptions { slice: 8, memory: None });
    let asks = settings(&[&ROOMY[..], &["generation.max_new_tokens=64"]].concat());
    let open =
        |tells_words| engine.open(StreamSetup { tells_words, ..setup(&asks, &Guidance::default()) }).unwrap();
    let heard = |stream: &Stream<FakeStreams>| {
        (0..4).for_each(|index| stream.input().frame(frame(index)).unwrap());
        let (mut words, mut replies) = (Vec::new(), Vec::new());
        while replies.len() < 4 {
            match stream.next().unwrap() {
                Output::Words(more) => words.push((more.frame, more.text.len())),
                Output::Event(Event::Reply { frame, text, .. }) => {
                    let told = words.iter().filter(|(of, _)| *of == frame).map(|(_, length)| length);
                    assert!(
                        words.is_empty() || told.sum::<usize>() == text.len(),
                        "its words come before it"
                    );
                }
                Output::Event(_) => {}
                Output::FrameDone(reply) => replies.push(reply.map(|reply| reply.text)),
                Output::Failed(error) => panic!("{error}"),
            }
        }
        (words, replies)
    };
    let (no_words, silent) = heard(&open(false));
    let (words, replies) = heard(&open(true));
    assert_eq!((no_words, silent), (Vec::new(), replies));
    assert_eq!(words, [(1, 8), (1, 8), (1, 3), (3, 2)]);
}
