//! The cache never passes its bound, whatever is said.

use proptest::prelude::*;

use super::driver::{FakeModel, rule, run};
use prospect_config::UserRequest;
use prospect_context::simulator::SimulatorOptions;
use prospect_context::simulator::recorded::{Difference, Recording, TraceEvent};
use prospect_context::{ContextStrategy, DialogueState, Opening, Role, TokenCounter};

use crate::fake::{TALKS, small_settings, started, steps, strategies};
use crate::{Event, Guidance, OverflowRule, Reference, SessionError, broken_laws};

pub(super) fn guidance(step_frames: usize, task_knowledge: bool) -> Guidance {
    let (requests, references): (Vec<usize>, Vec<usize>) = (0..60).partition(|k| k % 3 == 0);
    Guidance {
        steps: steps(step_frames),
        requests: requests
            .iter()
            .map(|&k| UserRequest { time: k as f64, text: "what now?".into() })
            .collect(),
        references: references
            .iter()
            .map(|&k| Reference { time: k as f64, text: "well ".repeat(k % 7) })
            .collect(),
        task_knowledge: task_knowledge.then(|| "Cups are blue.".into()),
        ..Guidance::default()
    }
}

/// The simulator's way through the same stream: where it first parts from the run.
pub(super) fn replay(events: &[Event], strategy: &dyn ContextStrategy) -> Result<Option<Difference>, String> {
    let line = |event| serde_json::from_value::<TraceEvent>(serde_json::to_value(event).unwrap()).unwrap();
    let recording = Recording::from_events(events.iter().map(line)).map_err(|error| error.to_string())?;
    let counter = BytesAroundThree;
    let state = DialogueState::default();
    let options = SimulatorOptions {
        token_counter: &counter,
        opening: Some(Opening { system_prompt: "Help.", task_knowledge: Some("Cups are blue.") }),
        dialogue_state: Some(&state),
        ..recording.options()
    };
    let replay = recording.replay_with(strategy, options).map_err(|error| error.to_string())?;
    Ok(replay.difference)
}

/// What a text costs the fake model.
struct BytesAroundThree;

impl TokenCounter for BytesAroundThree {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len() + 3
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_cache_never_passes_its_bound(
        (strategy, talk) in (prop::sample::select(strategies()), prop::sample::select(&TALKS[..])),
        max_seq_len in 200usize..700,
        reserved in 0usize..60,
        frame_tokens in 1usize..40,
        reply_lengths in prop::collection::vec(1usize..60, 1..8),
        (fork_length, max_new_tokens, max_summary_len) in (1usize..60, 1usize..40, 1usize..40),
        (early, early_tokens, slice) in (prop::option::of(0.1f64..1.0), 1usize..9, 1usize..9),
        (substep_frames, knowledge, detects, time_text, references) in (1usize..20, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let source = if detects { "model" } else { "annotations" };
        let early = early.map(|at| format!("context.summarize_and_drop.summarize_at={at}"));
        let tokens = format!("context.summarize_and_drop.early_tokens_per_frame={early_tokens}");
        let sets = [
            &format!("context.strategy={strategy}"),
            &tokens,
            early.as_ref().unwrap_or(&tokens),
            &format!("context.hybrid.max_summary_len={max_summary_len}"),
            &format!("context.max_seq_len={max_seq_len}"),
            &format!("context.reserved_seq_len={reserved}"),
            &format!("context.summarize_and_drop.max_summary_len={max_summary_len}"),
            &format!("context.summarize_with_dst.max_summary_len={max_summary_len}"),
            &format!("generation.max_new_tokens={max_new_tokens}"),
            &format!("stream.talk={talk}"),
            &format!("stream.on_transition.substep_source={source}"),
            "stream.on_transition.dialogue_prompt={prev_substep}>{curr_substep}",
            &format!("stream.frame_time_text={time_text}"),
            &format!("stream.reference_context={references}"),
        ];
        let settings = small_settings(&sets).unwrap();
        let guidance = guidance(substep_frames, knowledge);
        // A cache of exactly the bound: the fake panics where a token too many goes in.
        let mut model = FakeModel::new(max_seq_len, frame_tokens, &reply_lengths, fork_length);
        model.slice = slice;
        let run = run(&mut model, &settings, &guidance, 80);
        // A budget too small for a plan is refused in words; an empty summary is an error by design.
        let refused = matches!(
            run.error,
            None | Some(SessionError::Plan(_) | SessionError::NoRoom { .. } | SessionError::EmptySummary { .. })
        );
        prop_assert!(refused, "{:?}", run.error);
        let events = [&[started(strategy)], &run.events[..]].concat();
        let broken = broken_laws(&events);
        prop_assert!(broken.is_empty(), "{broken:?}");
        let Some(Event::RunFinished { peak_cache_tokens, .. }) = run.events.last() else {
            return Err(TestCaseError::fail("the trace is not closed"));
        };
        prop_assert!(*peak_cache_tokens <= max_seq_len);
    }

    #[test]
    fn a_stream_with_room_goes_on_for_ever(
        (strategy, talk) in (prop::sample::select(strategies()), prop::sample::select(&TALKS[..])),
        reply_lengths in prop::collection::vec(1usize..20, 1..8),
        (substep_frames, references) in (3usize..12, any::<bool>()),
        early in prop::sample::select(vec!["context.summarize_and_drop.summarize_at=0.7", "stream.fps=2"]),
    ) {
        let sets = [
            &format!("context.strategy={strategy}"),
            early,
            &format!("stream.talk={talk}"),
            "stream.on_transition.dialogue_prompt={curr_substep}",
            "stream.every.seconds=2",
            &format!("stream.reference_context={references}"),
            "context.max_seq_len=400",
            "context.summarize_with_dst.summary_prompt={steps_done}?",
        ];
        let settings = small_settings(&sets).unwrap();
        let guidance = guidance(substep_frames, true);
        let mut model = FakeModel::new(400, 8, &reply_lengths, 12);
        let run = run(&mut model, &settings, &guidance, 400);
        prop_assert!(run.error.is_none(), "{:?}", run.error);
        let is_overflow = |event: &&Event| matches!(event, Event::Overflow { .. });
        let overflows = run.events.iter().filter(is_overflow).count();
        prop_assert!(strategy == "none" || overflows > 2, "{overflows} overflows");
        if strategy != "none" {
            let OverflowRule::Strategy(strategy) = rule(&settings) else { panic!("a strategy") };
            let difference = replay(&run.events, strategy.as_ref()).map_err(TestCaseError::fail)?;
            prop_assert!(difference.is_none(), "{difference:?}");
        }
        // Nothing piles up that an eviction keeps for ever: they do not come closer together. A strategy that takes
        // out 60 tokens at a time has an overflow about every third frame if every frame is answered.
        prop_assert!(overflows < 400 / 2, "{overflows} overflows in 400 frames");
    }
}
