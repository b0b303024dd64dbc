//! A stream that is stopped and goes on in another session writes the trace that it would have written.

use image::RgbImage;
use proptest::prelude::*;
use prospect_config::Settings;
use prospect_model::{StoredTensors, write_tensors};
use serde_json::Value;

use super::bounds::{STRATEGIES, TALKS, annotations};
use super::fake::{FakeModel, picture, settings};
use crate::annotations::Annotations;
use crate::error::RunError;
use crate::session::{ContextRule, Session, SessionMemory, SessionOptions, SuspendedSession};
use crate::source::Frame;
use crate::strategies::Registry;
use crate::suspend::UnfitError;
use crate::trace::Event;

const FRAMES: usize = 70;

/// A session as its file holds it.
struct Kept {
    memory: String,
    model: Value,
    tensors: StoredTensors,
}

impl Kept {
    fn of(session: &mut Session<'_, FakeModel>) -> Self {
        let SuspendedSession { memory, model, .. } = session.suspend().unwrap();
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, "text", &model.tensors).unwrap();
        let memory = serde_json::to_string(&memory).unwrap();
        Self { memory, model: model.description, tensors: StoredTensors::parse(bytes).unwrap() }
    }

    fn resume(&self, session: &mut Session<'_, FakeModel>) -> Result<(), UnfitError> {
        let memory: SessionMemory = serde_json::from_str(&self.memory).unwrap();
        session.resume(memory, &self.model, &self.tensors)
    }
}

/// The events of a stream that is stopped before each of the frames `stops`, without what is measured.
fn trace(
    model: impl Fn() -> FakeModel,
    settings: &Settings,
    annotations: &Annotations,
    stops: &[usize],
) -> Vec<String> {
    let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
    let options = SessionOptions::new(settings, Some(annotations));
    let (mut events, mut kept): (Vec<Event>, Option<Kept>) = (Vec::new(), None);
    let mut next = 0;
    'processes: loop {
        let mut model = model();
        let mut session = match &kept {
            None => Session::new(&mut model, &rule, &options, Some(annotations), &mut events).unwrap(),
            Some(kept) => {
                let mut session =
                    Session::prepared(&mut model, &rule, &options, Some(annotations), &mut events).unwrap();
                kept.resume(&mut session).unwrap();
                session
            }
        };
        let first = next;
        while next < FRAMES {
            if next > first && stops.contains(&next) {
                kept = Some(Kept::of(&mut session));
                continue 'processes;
            }
            let frame =
                Frame { index: next, time: next as f64 / 2.0, image: RgbImage::new(1, 1).into(), name: None };
            if let Err(error) = session.frame(&frame, picture(&frame)) {
                // Budgets that are too small for a plan are refused in words.
                session.fail(&error).unwrap();
                break 'processes;
            }
            next += 1;
        }
        session.finish().unwrap();
        break;
    }
    events.iter().map(without_measurements).collect()
}

fn without_measurements(event: &Event) -> String {
    let mut event = serde_json::to_value(event).unwrap();
    event.as_object_mut().unwrap().retain(|key, _| !key.ends_with("ms") && !key.ends_with("_bytes"));
    event.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_stream_that_was_stopped_writes_the_same_trace(
        (strategy, talk) in (prop::sample::select(&STRATEGIES[..]), prop::sample::select(&TALKS[..])),
        max_seq_len in 250usize..500,
        reply_lengths in prop::collection::vec(1usize..30, 1..8),
        (early, early_tokens) in (prop::option::of(0.1f64..1.0), 1usize..9),
        (substep_frames, detects, references) in (1usize..20, any::<bool>(), any::<bool>()),
        stops in prop::collection::vec(0usize..FRAMES, 1..6),
    ) {
        let source = if detects { "model" } else { "annotations" };
        let tokens = format!("context.summarize_and_drop.early_tokens_per_frame={early_tokens}");
        let early = early.map(|at| format!("context.summarize_and_drop.summarize_at={at}"));
        let settings = settings(&[
            &format!("context.strategy={strategy}"),
            &tokens,
            early.as_ref().unwrap_or(&tokens),
            &format!("context.max_seq_len={max_seq_len}"),
            "context.reserved_seq_len=40",
            "context.drop_oldest_frames.keep_frame_len=60",
            "context.keyframes.keep_frame_len=60",
            "context.keyframes.recent_frame_len=20",
            "context.hybrid.summary_prompt=sum up",
            "context.hybrid.max_summary_len=20",
            "context.hybrid.last_keep_len=60",
            "context.drop_middle.last_keep_len=60",
            "context.sink_window.window=60",
            "context.summarize_and_drop.max_summary_len=20",
            "context.summarize_and_drop.summary_prompt=sum up",
            "context.summarize_with_dst.max_summary_len=20",
            "context.summarize_with_dst.summary_prompt={steps_done}, {next_step}?",
            "context.summarize_with_dst.max_state_len=40",
            "generation.max_new_tokens=16",
            &format!("stream.talk={talk}"),
            &format!("stream.on_transition.substep_source={source}"),
            "stream.on_transition.detection_prompt=step?",
            "stream.on_transition.dialogue_prompt={prev_substep}>{curr_substep}",
            "stream.every.seconds=1.5",
            &format!("stream.reference_context={references}"),
            "stream.system_prompt=Help.",
        ]);
        let annotations = annotations(substep_frames, true);
        let model = || FakeModel::new(max_seq_len, 8, &reply_lengths, 12);
        let whole = trace(model, &settings, &annotations, &[]);
        let stopped = trace(model, &settings, &annotations, &stops);
        prop_assert_eq!(whole, stopped);
    }
}

/// A stream of a few frames, its state changed by `change`, and what a session says to that.
fn complaint(change: impl FnOnce(&mut Kept)) -> String {
    let settings = settings(&["stream.system_prompt=Help.", "context.strategy=drop_all"]);
    let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
    let options = SessionOptions::new(&settings, None);
    let mut events = Vec::new();
    let mut first = FakeModel::new(2000, 2, &[1, 4], 1);
    let mut session = Session::new(&mut first, &rule, &options, None, &mut events).unwrap();
    let frame = Frame { index: 0, time: 0.0, image: RgbImage::new(1, 1).into(), name: None };
    session.frame(&frame, picture(&frame)).unwrap();
    let mut kept = Kept::of(&mut session);
    change(&mut kept);
    let mut second = FakeModel::new(2000, 2, &[1, 4], 1);
    let mut session = Session::prepared(&mut second, &rule, &options, None, &mut events).unwrap();
    kept.resume(&mut session).unwrap_err().to_string()
}

#[test]
fn state_that_does_not_fit_together_is_refused() {
    let replace = |from: &'static str, to: &'static str| {
        move |kept: &mut Kept| {
            assert!(kept.memory.contains(from), "{from} is not in {}", kept.memory);
            kept.memory = kept.memory.replace(from, to);
        }
    };
    let longer = complaint(|kept| kept.model["cache"].as_array_mut().unwrap().push(7.into()));
    assert_eq!(longer, "the ledger covers 10 tokens, the cache holds 11: expected as many");
    let request = complaint(replace("\"next_request\":0", "\"next_request\":1"));
    assert_eq!(request, "the next request is number 1 of 0: expected one of them");
    let fork = complaint(|kept| kept.model["fork"] = serde_json::json!({"cache": [1], "answered": 0}));
    assert_eq!(fork, "the summary that was begun has lost its cache or its text: expected both");
    let model = complaint(|kept| kept.model = Value::Null);
    assert!(model.starts_with("the model's part: invalid type"), "{model}");
}

#[test]
fn a_damaged_ledger_is_refused() {
    let memory = serde_json::json!({"ledger": {"segments": [], "changes": [1.0], "travelled": [], "now_travelled": 0.0}});
    let error = serde_json::from_value::<SessionMemory>(memory).unwrap_err().to_string();
    assert!(error.contains("expected as many"), "{error}");
    // The type of a failure at the session says what a person reads.
    assert!(matches!(
        RunError::from(crate::suspend::SuspendError::Missing { path: "a".into() }).exit_code(),
        2
    ));
}
