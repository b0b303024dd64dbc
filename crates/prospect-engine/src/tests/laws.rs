//! Batch invariance: a stream's trace is the same alone, beside others, and under any interleaving of their inputs.

use proptest::prelude::*;
use prospect_config::UserRequest;
use prospect_session::fake::{
    Script, TALKS, small_settings, started, steps, strategies, without_measurements,
};
use prospect_session::{Event, Fingerprint, Guidance, Thumbnail, broken_laws};

use super::fake::{FakeStreams, engine, setup};
use crate::output::Output;
use crate::picture::Picture;
use crate::stream::Stream;
use crate::stream_input::StreamFrame;
use crate::{Engine, EngineOptions};

const FRAMES: usize = 60;

/// One of the streams that run beside each other.
#[derive(Debug, Clone)]
struct Watched {
    strategy: &'static str,
    talk: &'static str,
    max_seq_len: usize,
    early: bool,
    detects: bool,
    step_frames: usize,
}

fn watched() -> impl Strategy<Value = Watched> {
    let chosen = (prop::sample::select(strategies()), prop::sample::select(&TALKS[..]));
    (chosen, 300usize..500, any::<bool>(), any::<bool>(), 1usize..20).prop_map(
        |((strategy, talk), max_seq_len, early, detects, step_frames)| Watched {
            strategy,
            talk,
            max_seq_len,
            early,
            detects,
            step_frames,
        },
    )
}

impl Watched {
    fn open(&self, engine: &Engine<FakeStreams>) -> Stream<FakeStreams> {
        let early = if self.early { "0.6" } else { "0.99" };
        let source = if self.detects { "model" } else { "annotations" };
        let sets = [
            &format!("context.strategy={}", self.strategy),
            &format!("stream.talk={}", self.talk),
            &format!("context.max_seq_len={}", self.max_seq_len),
            &format!("context.summarize_and_drop.summarize_at={early}"),
            &format!("stream.on_transition.substep_source={source}"),
            "stream.on_transition.dialogue_prompt={curr_substep}",
        ];
        let settings = small_settings(&sets).unwrap();
        let requests = [1.0, 7.0].map(|time| UserRequest { time, text: "what now?".into() });
        let guidance =
            Guidance { steps: steps(self.step_frames), requests: requests.to_vec(), ..Guidance::default() };
        engine.open(setup(&settings, &guidance)).unwrap()
    }
}

pub(super) fn frame(index: usize) -> StreamFrame<()> {
    let fingerprint = Fingerprint([index as u8; 32]);
    let picture = Picture { fingerprint, thumbnail: Thumbnail::grey(0), prepared: () };
    StreamFrame { index, time: index as f64 / 2.0, picture, arrival: None }
}

/// The trace of a stream all of whose frames were pushed, without what is measured.
fn trace(stream: &Stream<FakeStreams>, strategy: &str) -> Vec<String> {
    let mut events: Vec<Event> = Vec::new();
    let (mut over, mut failure) = (0, None);
    while over < FRAMES && failure.is_none() {
        match stream.next().unwrap() {
            Output::Event(event) => events.push(event),
            Output::Words(_) => {}
            Output::FrameDone(_) => over += 1,
            // Budgets that are too small for a plan are refused in words.
            Output::Failed(error) => failure = Some(error.to_string()),
        }
    }
    stream.input().finish(failure).unwrap();
    let rest = stream.rest().filter_map(|output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    });
    events.extend(rest);
    let whole = [vec![started(strategy)], events.clone()].concat();
    assert_eq!(broken_laws(&whole), Vec::<String>::new());
    events.iter().map(without_measurements).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_stream_among_others_writes_the_trace_that_it_writes_alone(
        streams in prop::collection::vec(watched(), 1..9),
        reply_lengths in prop::collection::vec(1usize..30, 1..8),
        answer_length in 2usize..30,
        (slice, slice_alone) in (1usize..12, 1usize..12),
        order in prop::collection::vec(0usize..8, 0..400),
    ) {
        let script = Script::new(&reply_lengths, answer_length);
        let alone: Vec<Vec<String>> = streams
            .iter()
            .map(|watched| {
                let engine = engine(script.clone(), EngineOptions { slice: slice_alone, ..EngineOptions::default() });
                let stream = watched.open(&engine);
                (0..FRAMES).for_each(|index| stream.input().frame(frame(index)).unwrap());
                trace(&stream, watched.strategy)
            })
            .collect();
        let engine = engine(script, EngineOptions { slice, ..EngineOptions::default() });
        let together: Vec<_> = streams.iter().map(|watched| watched.open(&engine)).collect();
        let mut pushed = vec![0; streams.len()];
        // Frames in any order of the streams; then what is left of each.
        for stream in order.into_iter().map(|turn| turn % streams.len()) {
            if pushed[stream] < FRAMES {
                together[stream].input().frame(frame(pushed[stream])).unwrap();
                pushed[stream] += 1;
            }
        }
        for (stream, pushed) in together.iter().zip(pushed) {
            (pushed..FRAMES).for_each(|index| stream.input().frame(frame(index)).unwrap());
        }
        for ((stream, watched), alone) in together.iter().zip(&streams).zip(alone) {
            prop_assert_eq!(trace(stream, watched.strategy), alone);
        }
    }
}
