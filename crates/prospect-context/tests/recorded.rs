//! Traces read back: replayed, fed to another strategy, refused where they are malformed.
#![cfg(feature = "serde")]

mod common;

use prospect_context::simulator::recorded::{
    Difference, RecordedBudget, RecordedFrame, RecordedOverflow, RecordedSegment, Recording, RecordingError,
    TraceEvent,
};
use prospect_context::simulator::{
    Eviction, Simulator, SimulatorOptions, StreamParameters, StreamSegment, StreamStep, WordCounter,
};
use prospect_context::strategies::{DropMiddle, Keyframes};
use prospect_context::{Budget, ContextStrategy, DialogueState, SegmentKind, Trigger};

use common::strategies;

fn budget(strategy: &dyn ContextStrategy) -> Budget {
    let max_summary_tokens = strategy.max_summary_tokens(&WordCounter);
    Budget { max_seq_len: 500, reserved_seq_len: 60, max_reply_tokens: 40, max_summary_tokens }
}

fn stream() -> Vec<StreamStep> {
    let parameters = StreamParameters {
        frames: 600,
        frame_tokens: 9,
        system_tokens: 20,
        reply_every: 15,
        request_every: 100,
        fact_every: 0,
        ..StreamParameters::default()
    };
    parameters.stream().collect()
}

fn overflow(eviction: &Eviction) -> TraceEvent {
    TraceEvent::Overflow(RecordedOverflow {
        time: eviction.time,
        incoming: eviction.incoming,
        pending: eviction.pending,
        initial_tokens: None,
        tokens_before: eviction.tokens_before,
        tokens_after: eviction.tokens_after,
        kept: eviction.kept.iter().map(|range| [range.start, range.end]).collect(),
        put_back: eviction.put_back.clone(),
    })
}

fn segment(segment: &StreamSegment) -> RecordedSegment {
    let StreamSegment { kind, tokens, pinned, continues, .. } = *segment;
    RecordedSegment { kind, tokens, pinned, continues, with_frame: false }
}

fn opening_events(strategy: &dyn ContextStrategy) -> Vec<TraceEvent> {
    let Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens } = budget(strategy);
    let recorded = RecordedBudget {
        max_seq_len,
        reserved_seq_len,
        max_reply_tokens,
        max_summary_tokens,
        user_turn: None,
    };
    let started = TraceEvent::RunStarted { strategy: strategy.name().to_owned() };
    vec![started, TraceEvent::Budget(recorded), TraceEvent::Other]
}

/// The trace that a run of this stream writes.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn record(strategy: &dyn ContextStrategy, stream: &[StreamStep]) -> Vec<TraceEvent> {
    let state = DialogueState::default();
    let options = SimulatorOptions {
        summary_tokens: 23,
        dialogue_state: Some(&state),
        ..SimulatorOptions::new(budget(strategy))
    };
    let mut events = opening_events(strategy);
    let mut simulator = Simulator::new(strategy, options);
    let mut waiting: Vec<RecordedSegment> = Vec::new();
    for (index, step) in stream.iter().enumerate() {
        let (after, before) = (strategy.trigger() == Trigger::AfterFrame, simulator.ledger().tokens());
        let eviction = simulator.push(step).unwrap();
        let mut left = before;
        if let Some(eviction) = eviction.as_ref().filter(|_| !after) {
            events.push(overflow(eviction));
            left = eviction.tokens_after;
        }
        let cache_tokens = match &eviction {
            Some(eviction) if after => eviction.tokens_before,
            _ => simulator.ledger().tokens(),
        };
        let own: usize = step.chunk_tokens() + step.reply.iter().map(|it| it.tokens).sum::<usize>();
        // What waited is not in the cache if the plan did not want it.
        let went_in = cache_tokens - own - left;
        let mut said: Vec<RecordedSegment> = std::mem::take(&mut waiting);
        if went_in == 0 {
            said.clear();
        }
        if let Some((last, put_back)) = said.split_last_mut() {
            // A run marks what extends a segment, and names as a frame what stands alone.
            let slot = left + put_back.iter().map(|it| it.tokens).sum::<usize>();
            if simulator.ledger().segments().iter().any(|it| it.range == (slot..slot + 1)) {
                (last.continues, last.kind) = (false, SegmentKind::Frame);
            }
        }
        let mut segments = said;
        segments.extend(step.before.iter().chain([&step.frame]).chain(&step.reply).map(segment));
        let (time, similarity, spoke) = (step.time, step.similarity, Some(step.spoke));
        events.push(TraceEvent::Frame(RecordedFrame {
            index,
            time,
            segments,
            cache_tokens,
            spoke,
            similarity,
        }));
        if let Some(eviction) = eviction.as_ref().filter(|_| after) {
            events.push(overflow(eviction));
            waiting.extend(eviction.put_back.iter().map(|it| RecordedSegment {
                kind: it.kind,
                tokens: it.tokens,
                pinned: true,
                continues: false,
                with_frame: false,
            }));
        }
        let keeps = strategy.name() != "summarize_and_drop" || eviction.is_none() || !after;
        waiting.extend(step.waiting.iter().filter(|_| keeps).map(segment));
    }
    events
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn through_json(events: &[TraceEvent]) -> Vec<TraceEvent> {
    let lines = events.iter().map(|event| serde_json::to_string(event).unwrap());
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn every_strategy_is_replayed_exactly() {
    let stream = stream();
    for strategy in strategies() {
        let name = strategy.name();
        let events = record(strategy.as_ref(), &stream);
        let recording = Recording::from_events(through_json(&events)).unwrap();
        assert_eq!((recording.strategy(), recording.budget()), (Some(name), budget(strategy.as_ref())));
        let replay = recording.replay(strategy.as_ref()).unwrap();
        assert_eq!(replay.difference, None, "{name}");
        assert_eq!(replay.simulation.evictions.len(), recording.overflows().len(), "{name}");
        assert!(replay.simulation.evictions.len() > 3, "{name}");
        for (eviction, (step, recorded)) in replay.simulation.evictions.iter().zip(recording.overflows()) {
            assert_eq!((eviction.step, eviction.tokens_after), (*step, recorded.tokens_after), "{name}");
        }
        // The steps are the stream that the run saw, whatever its strategy was.
        let last = stream.len() - 1;
        for (index, (read, came_in)) in recording.steps().iter().zip(&stream).take(last).enumerate() {
            assert_eq!((&read.before, &read.reply), (&came_in.before, &came_in.reply), "{name}: {index}");
            assert_eq!(
                read.waiting.map(|it| it.tokens),
                came_in.waiting.map(|it| it.tokens),
                "{name}: {index}"
            );
        }
    }
}

#[test]
fn a_recorded_stream_goes_through_any_strategy() {
    let recording =
        Recording::from_events(record(&prospect_context::strategies::DropAll, &stream())).unwrap();
    let state = DialogueState::default();
    for strategy in strategies() {
        let options = SimulatorOptions { dialogue_state: Some(&state), ..recording.options() };
        let simulation = Simulator::new(strategy.as_ref(), options).run(recording.steps()).unwrap();
        assert!(simulation.peak_cache_tokens <= 500 && !simulation.evictions.is_empty());
    }
}

#[test]
fn a_replay_says_where_it_parts_from_the_run() {
    let strategy = DropMiddle { last_keep_len: 64, positions: Default::default() };
    let recording = Recording::from_events(record(&strategy, &stream())).unwrap();
    let other = DropMiddle { last_keep_len: 80, positions: Default::default() };
    let replay = recording.replay(&other).unwrap();
    let step = recording.overflows()[0].0;
    assert_eq!(replay.simulation.evictions.len(), 1);
    assert!(matches!(replay.difference, Some(Difference::Kept { step: at, .. }) if at == step));
    let keyframes = Keyframes { keep_frame_len: 90, recent_frame_len: 9, positions: Default::default() };
    assert!(recording.replay(&keyframes).unwrap().difference.is_some());

    let all: Vec<TraceEvent> = record(&strategy, &stream());
    let first = all.iter().position(|event| matches!(event, TraceEvent::Overflow(_))).unwrap();
    // As if the run had noticed the overflow a step too late.
    let mut late = all[..first].to_vec();
    let TraceEvent::Frame(frame) = all[first - 1].clone() else { unreachable!() };
    let cache_tokens = frame.cache_tokens + 10;
    let segments = vec![
        RecordedSegment {
            kind: SegmentKind::Frame,
            tokens: 1,
            pinned: false,
            continues: true,
            with_frame: false,
        },
        RecordedSegment {
            kind: SegmentKind::Frame,
            tokens: 9,
            pinned: false,
            continues: false,
            with_frame: false,
        },
    ];
    let (index, time) = (frame.index + 1, frame.time + 0.5);
    late.push(TraceEvent::Frame(RecordedFrame {
        index,
        time,
        segments,
        cache_tokens,
        spoke: None,
        similarity: None,
    }));
    let replay = Recording::from_events(late).unwrap().replay(&strategy).unwrap();
    assert_eq!(replay.difference, Some(Difference::Unexpected { step }));
}

const BUDGET: &str = r#"{"event":"budget","max_seq_len":90,"reserved_seq_len":4,"max_reply_tokens":5,"max_summary_tokens":0,"new":1}"#;
const FIRST: &str = r#"{"event":"frame","index":0,"time":0.5,"segments":[{"kind":"system","tokens":10,"pinned":true},{"kind":"frame","tokens":7,"pinned":false}],"cache_tokens":17,"total_ms":3.5}"#;
const SECOND: &str = r#"{"event":"frame","index":1,"time":1.0,"segments":[{"kind":"frame","tokens":1,"pinned":false,"continues":true},{"kind":"frame","tokens":7,"pinned":false}],"cache_tokens":18}"#;
const OVERFLOW: &str = r#"{"event":"overflow","time":1.0,"incoming":8,"pending":1,"tokens_before":17,"tokens_after":10,"kept":[[0,10]],"put_back":[]}"#;
const AFTER_FRAME: &str = r#"{"event":"overflow","time":0.5,"incoming":1,"pending":1,"tokens_before":17,"tokens_after":10,"kept":[[0,10]],"put_back":[{"kind":"user","tokens":3}]}"#;

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn read(lines: &[&str]) -> Result<Recording, RecordingError> {
    Recording::from_events(lines.iter().map(|line| serde_json::from_str(line).unwrap()))
}

#[test]
fn a_small_trace_is_read() {
    let other = r#"{"event":"message","role":"system","text":"Help."}"#;
    let recording = read(&[other, BUDGET, FIRST, OVERFLOW, SECOND]).unwrap();
    assert_eq!((recording.steps().len(), recording.overflows().len()), (2, 1));
    let waiting = recording.steps()[0].waiting;
    assert_eq!(waiting, Some(StreamSegment::last_token(SegmentKind::Frame)));
    // A run that was killed after an eviction.
    assert_eq!(read(&[BUDGET, FIRST, OVERFLOW]).unwrap().overflows(), []);
    assert_eq!(read(&[BUDGET, FIRST, AFTER_FRAME]).unwrap().overflows().len(), 1);
    assert_eq!(read(&[BUDGET]).unwrap().steps(), []);
}

#[test]
fn a_trace_without_a_budget_is_refused() {
    assert_eq!(read(&[]), Err(RecordingError::NoBudget));
    assert_eq!(read(&[FIRST, BUDGET]), Err(RecordingError::NoBudget));
    assert_eq!(read(&[BUDGET, BUDGET]), Err(RecordingError::SecondBudget));
}

#[test]
fn a_frame_event_without_a_frame_is_refused() {
    let none = FIRST.replace(r#""frame","tokens":7"#, r#""user","tokens":7"#);
    assert_eq!(read(&[BUDGET, &none]), Err(RecordingError::NoFrame { index: 0 }));
    let pending_alone = FIRST.replace(r#""tokens":7"#, r#""continues":true,"tokens":7"#);
    assert_eq!(read(&[BUDGET, &pending_alone]), Err(RecordingError::NoFrame { index: 0 }));
}

#[test]
fn times_that_fall_are_refused() {
    let early = SECOND.replace(r#""time":1.0"#, r#""time":0.25"#);
    let expected = RecordingError::TimeFalls { index: 1, time: 0.25, previous: 0.5 };
    assert_eq!(read(&[BUDGET, FIRST, &early]), Err(expected));
}

#[test]
fn segments_that_do_not_add_up_are_refused() {
    let expected = RecordingError::CacheTokens { index: 1, expected: 25, found: 18 };
    assert_eq!(read(&[BUDGET, FIRST, SECOND]), Err(expected));
}

#[test]
fn an_overflow_of_another_cache_is_refused() {
    let before = OVERFLOW.replace(r#""tokens_before":17"#, r#""tokens_before":16"#);
    let expected = RecordingError::TokensBefore { time: 1.0, expected: 17, found: 16 };
    assert_eq!(read(&[BUDGET, FIRST, &before]), Err(expected));
    let after = OVERFLOW.replace(r#""tokens_after":10"#, r#""tokens_after":11"#);
    let expected = RecordingError::TokensAfter { time: 1.0, expected: 10, found: 11 };
    assert_eq!(read(&[BUDGET, FIRST, &after]), Err(expected));
    for (ranges, start, end) in [("[[5,5]]", 5, 5), ("[[0,18]]", 0, 18), ("[[5,9],[8,10]]", 8, 10)] {
        let kept = OVERFLOW.replace("[[0,10]]", ranges);
        let expected = RecordingError::KeptRange { time: 1.0, start, end };
        assert_eq!(read(&[BUDGET, FIRST, &kept]), Err(expected));
    }
}

#[test]
fn two_overflows_between_two_frames_are_refused() {
    let expected = RecordingError::SecondOverflow { time: 1.0 };
    assert_eq!(read(&[BUDGET, FIRST, OVERFLOW, OVERFLOW]), Err(expected));
}

#[test]
fn an_overflow_that_expected_something_else_is_refused() {
    for (incoming, pending) in [(9, 1), (6, 1), (8, 2)] {
        let numbers = format!(r#""incoming":{incoming},"pending":{pending}"#);
        let wrong = OVERFLOW.replace(r#""incoming":8,"pending":1"#, &numbers);
        let error = read(&[BUDGET, FIRST, &wrong, SECOND]).unwrap_err();
        assert!(matches!(error, RecordingError::Incoming { .. }), "{error}");
    }
}

#[test]
fn a_frame_without_what_was_put_back_is_refused() {
    let expected = RecordingError::PutBackMissing { index: 1 };
    assert_eq!(read(&[BUDGET, FIRST, AFTER_FRAME, SECOND]), Err(expected));
    let with = SECOND.replace(r#""segments":["#, r#""segments":[{"kind":"user","tokens":3,"pinned":false},"#);
    let with = with.replace(r#""cache_tokens":18"#, r#""cache_tokens":21"#);
    let recording = read(&[BUDGET, FIRST, AFTER_FRAME, &with]).unwrap();
    assert_eq!(recording.steps()[1].before, []);
    assert_eq!(recording.overflows()[0].0, 0);
}
