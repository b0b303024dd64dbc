//! A stream that is stopped and goes on in another session writes the trace that it would have written.

use proptest::prelude::*;
use prospect_config::Settings;

use super::bounds::guidance;
use super::driver::{FakeModel, frame, session, settings};
use crate::fake::{FakeCache, TALKS, small_settings, strategies, without_measurements};
use crate::{Guidance, ModelHolds, Session, SessionMemory, UnfitSession};

const FRAMES: usize = 70;

/// A session and its cache as a file holds them.
struct Kept {
    memory: String,
    cache: String,
    last_frame: bool,
}

impl Kept {
    fn of(session: &Session, model: &FakeModel) -> Self {
        let memory = serde_json::to_string(&session.memory().expect("between two frames")).unwrap();
        Self { memory, cache: serde_json::to_string(&model.cache).unwrap(), last_frame: true }
    }

    fn resume(&self, session: &mut Session, model: &mut FakeModel) -> Result<(), UnfitSession> {
        let memory: SessionMemory = serde_json::from_str(&self.memory).unwrap();
        model.cache = serde_json::from_str::<FakeCache>(&self.cache).unwrap();
        let holds = ModelHolds {
            cache_tokens: model.cache.ids.len(),
            fork: model.cache.has_fork(),
            last_frame: self.last_frame,
        };
        session.resume(memory, holds)
    }
}

/// The events of a stream that is stopped before each of the frames `stops`, without what is measured.
fn trace(
    model: impl Fn() -> FakeModel,
    settings: &Settings,
    guidance: &Guidance,
    stops: &[usize],
) -> Vec<String> {
    let (mut events, mut kept): (Vec<_>, Option<Kept>) = (Vec::new(), None);
    let mut next = 0;
    'processes: loop {
        let mut model = model();
        let mut session = session(&model, settings, guidance).unwrap();
        if let Some(kept) = &kept {
            kept.resume(&mut session, &mut model).unwrap();
        }
        let first = next;
        while next < FRAMES {
            if next > first && stops.contains(&next) {
                kept = Some(Kept::of(&session, &model));
                continue 'processes;
            }
            let over = model.frame(&mut session, frame(next));
            // Budgets that are too small for a plan are refused in words.
            over.as_ref().err().into_iter().for_each(|error| session.fail(error.to_string(), None));
            events.extend(session.take_events());
            if over.is_err() {
                break 'processes;
            }
            next += 1;
        }
        session.finish(None);
        events.extend(session.take_events());
        break;
    }
    events.iter().map(without_measurements).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_stream_that_was_stopped_writes_the_same_trace(
        (strategy, talk) in (prop::sample::select(strategies()), prop::sample::select(&TALKS[..])),
        max_seq_len in 250usize..500,
        reply_lengths in prop::collection::vec(1usize..30, 1..8),
        (early, early_tokens) in (prop::option::of(0.1f64..1.0), 1usize..9),
        (substep_frames, detects, references) in (1usize..20, any::<bool>(), any::<bool>()),
        in_turn in any::<bool>(),
        stops in prop::collection::vec(0usize..FRAMES, 1..6),
    ) {
        let source = if detects { "model" } else { "annotations" };
        let tokens = format!("context.summarize_and_drop.early_tokens_per_frame={early_tokens}");
        let early = early.map(|at| format!("context.summarize_and_drop.summarize_at={at}"));
        let in_turn = in_turn && !references && talk != "proactive";
        let frames_in = if in_turn { "user_turn" } else { "between_turns" };
        let sets = [
            &format!("context.strategy={strategy}"),
            &format!("stream.frames_in={frames_in}"),
            &tokens,
            early.as_ref().unwrap_or(&tokens),
            &format!("context.max_seq_len={max_seq_len}"),
            &format!("stream.talk={talk}"),
            &format!("stream.on_transition.substep_source={source}"),
            "stream.on_transition.dialogue_prompt={prev_substep}>{curr_substep}",
            &format!("stream.reference_context={references}"),
        ];
        let settings = small_settings(&sets).unwrap();
        let guidance = guidance(substep_frames, true);
        let model = || FakeModel::new(max_seq_len, 8, &reply_lengths, 12);
        let whole = trace(model, &settings, &guidance, &[]);
        let stopped = trace(model, &settings, &guidance, &stops);
        prop_assert_eq!(whole, stopped);
    }
}

/// A stream of a few frames, its state changed by `change`, and what a session says to that.
fn complaint(change: impl FnOnce(&mut Kept)) -> String {
    let settings = settings(&["stream.system_prompt=Help.", "context.strategy=drop_all"]);
    let model = || FakeModel::new(2000, 2, &[1, 4], 1);
    let mut first = model();
    let mut stream = session(&first, &settings, &Guidance::default()).unwrap();
    first.frame(&mut stream, frame(0)).unwrap();
    let mut kept = Kept::of(&stream, &first);
    change(&mut kept);
    let mut second = model();
    let mut stream = session(&second, &settings, &Guidance::default()).unwrap();
    kept.resume(&mut stream, &mut second).unwrap_err().to_string()
}

#[test]
fn state_that_does_not_fit_together_is_refused() {
    let replace = |text: &mut String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        *text = text.replace(from, to);
    };
    let longer = complaint(|kept| replace(&mut kept.cache, "\"ids\":[", "\"ids\":[7,"));
    assert_eq!(longer, "the ledger covers 10 tokens, the cache holds 11: expected as many");
    let request = complaint(|kept| replace(&mut kept.memory, "\"next_request\":0", "\"next_request\":1"));
    assert_eq!(request, "the next request is number 1 of 0: expected one of them");
    let fork = complaint(|kept| {
        replace(&mut kept.cache, "\"fork\":null", "\"fork\":{\"ids\":[1],\"answered\":0}");
    });
    assert_eq!(fork, "the summary that was begun has lost its cache or its text: expected both");
    let picture = complaint(|kept| kept.last_frame = false);
    assert_eq!(picture, "the frame before: expected its encoding and what it was made from, or neither");
}

#[test]
fn a_damaged_ledger_is_refused() {
    let memory = serde_json::json!({"ledger": {"segments": [], "changes": [1.0], "travelled": [], "now_travelled": 0.0}});
    let error = serde_json::from_value::<SessionMemory>(memory).unwrap_err().to_string();
    assert!(error.contains("expected as many"), "{error}");
}
