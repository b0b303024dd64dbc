//! Frames inside of the user's turn: the dialogue stays one, whatever is said and evicted.

use std::time::Instant;

use proptest::prelude::*;
use prospect_config::{Settings, UserRequest};
use prospect_context::{CacheView, ContextStrategy, EvictionPlan, Piece, PlanError, PositionPolicy, Role};

use super::bounds::{guidance, replay};
use super::driver::{FakeModel, frame, rule, run, session, settings};
use crate::fake::{readable, small_settings, started, strategies};
use crate::{Event, Guidance, OpeningTexts, OverflowRule, Session, SessionError, SessionOptions};
use crate::{Then, Work, broken_laws};

const ROOMY: [&str; 3] =
    ["context.max_seq_len=2000", "stream.system_prompt=Help.", "stream.frames_in=user_turn"];
/// Talk policies under which frames may stand in the user's turn.
const TALKS: [&str; 4] = ["on_transition", "every", "on_change", "on_request"];

/// What of the fake's dialogue is none: each message is whole, and frames stand in the user's alone.
fn unlawful(text: &str) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        let (end, is_user) = match rest.get(..2) {
            Some("<S" | "<A") => ("|", false),
            Some("<U") => ("|", true),
            Some("A:") => ("|/", false),
            _ => return Some(format!("no message begins at {rest:?}")),
        };
        // The last message may go on.
        let (message, behind) = rest[2..].split_once(end).unwrap_or((&rest[2..], ""));
        if message.contains(['<', ':', '|', '/']) || (message.contains('#') && !is_user) {
            return Some(format!("a message says {message:?}"));
        }
        rest = behind;
    }
    None
}

/// A frame from its arrival to its end. What the cache holds is a dialogue after each work, and with each question on a fork.
fn lawful_frame(model: &mut FakeModel, session: &mut Session, index: usize) -> Result<(), SessionError> {
    let began = Instant::now();
    let mut over = session.frame(frame(index), began.elapsed())?;
    while let Some(work) = session.next_work() {
        let asked = match &work {
            Work::Prefill { ids, then: Then::Answer { .. }, .. } | Work::Fork { ids } => Some(ids.clone()),
            _ => None,
        };
        if let Some(asked) = asked {
            let question = format!("{}{}", model.text(), readable(&asked));
            assert!(question.ends_with("|A:"), "{question}");
            assert_eq!(unlawful(&question), None, "frame {index}: {question}");
        }
        let is_rest = matches!(work, Work::Prefill { then: Then::Answer { .. }, .. });
        let done = model.cache.perform(&model.script, work, usize::MAX);
        if !is_rest {
            assert_eq!(unlawful(&model.text()), None, "frame {index}: {}", model.text());
        }
        if let Some(done) = done {
            over = session.done(done, began.elapsed())?;
        }
    }
    assert!(over.is_some() && session.cache_tokens() == model.cache.ids.len());
    Ok(())
}

/// A stream of 80 frames; its events, and how it failed.
fn lawful_stream(model: &mut FakeModel, session: &mut Session) -> (Vec<Event>, Option<SessionError>) {
    let mut failure = None;
    for index in 0..80 {
        if let Err(error) = lawful_frame(model, session, index) {
            session.fail(error.to_string(), None);
            failure = Some(error);
            break;
        }
    }
    if failure.is_none() {
        session.finish(None);
    }
    (session.take_events(), failure)
}

#[test]
fn a_question_stands_at_the_end_of_the_turn_and_the_next_frame_opens_another() {
    let sets = [
        "stream.talk=every",
        "stream.every.seconds=1",
        "stream.every.prompt=What?",
        "stream.frame_time_text=true",
    ];
    let settings = settings(&[&ROOMY[..], &sets].concat());
    let mut model = FakeModel::new(2000, 2, &[3], 1);
    let run = run(&mut model, &settings, &Guidance::default(), 4);
    let asked = "<U@0##@0.5##@1##\n\nWhat?|A:aa|/";
    assert_eq!(model.text(), format!("<SHelp.|{asked}<U@1.5##"));
    let frames = run.events.iter().filter_map(|event| match event {
        Event::Frame { segments, .. } => Some(segments.iter().map(|it| (it.kind.as_str(), it.tokens))),
        _ => None,
    });
    let frames: Vec<Vec<_>> = frames.map(Iterator::collect).collect();
    assert_eq!(frames[0], [("system", 8), ("user", 2), ("frame", 4)]);
    assert_eq!(frames[2], [("frame", 4), ("user", 8), ("assistant", 2), ("assistant", 2)]);
    assert_eq!(frames[3], [("assistant", 2), ("user", 2), ("frame", 6)]);
}

#[test]
fn what_people_say_stands_behind_the_frame_with_which_it_came() {
    let mut model = FakeModel::new(2000, 2, &[3], 1);
    let settings = settings(&[&ROOMY[..], &["stream.talk=on_request"]].concat());
    let said = |time, text: &str| UserRequest { time, text: text.into() };
    let requests = vec![said(0.5, "hot?"), said(0.5, "really?")];
    let run = run(&mut model, &settings, &Guidance { requests, ..Guidance::default() }, 3);
    assert_eq!(model.text(), "<SHelp.|<U####hot?\n\nreally?|A:aa|/<U##");
    assert_eq!(run.replies.len(), 1);
    assert_eq!(broken_laws(&[&[started("drop_middle")], &run.events[..]].concat()), Vec::<String>::new());
}

#[test]
fn another_system_prompt_closes_the_turn() {
    let mut model = FakeModel::new(2000, 2, &[3], 1);
    let settings = settings(&[&ROOMY[..], &["stream.talk=on_request"]].concat());
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    lawful_frame(&mut model, &mut session, 0).unwrap();
    session.set_opening(OpeningTexts { system_prompt: "Watch.".into(), task_knowledge: None }).unwrap();
    lawful_frame(&mut model, &mut session, 1).unwrap();
    assert_eq!(model.text(), "<SHelp.|<U##|<SWatch.|<U##");
}

#[test]
fn a_reply_that_is_cut_is_ended_before_the_next_turn() {
    let mut model = FakeModel::new(2000, 2, &[30], 1);
    let sets = ["stream.talk=every", "stream.every.seconds=1", "generation.max_new_tokens=4"];
    let settings = settings(&[&ROOMY[..], &sets].concat());
    run(&mut model, &settings, &Guidance::default(), 4);
    assert_eq!(model.text(), "<SHelp.|<U######|A:aaaa|/<U##");
}

/// Keeps one segment and not another, as a number says: what nobody would write.
struct Haphazard(u64);

impl ContextStrategy for Haphazard {
    fn name(&self) -> &str {
        "haphazard"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let mut state = self.0.wrapping_add((view.time * 2.0) as u64);
        let mut often = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 62 == 0
        };
        let mut pieces = Vec::new();
        for role in [Role::Assistant, Role::User] {
            if often() {
                pieces.push(Piece::Text { role, text: "Well".into() });
            }
        }
        for segment in view.segments {
            if segment.pinned || often() {
                pieces.push(Piece::Keep(segment.range.clone()));
            }
        }
        if often() {
            pieces.push(Piece::PendingReply);
        }
        EvictionPlan::new(pieces, PositionPolicy::Rerotate, view)
    }
}

fn in_turns(strategy: &str, talk: &str, further: &[&str]) -> Settings {
    let sets = [
        &format!("context.strategy={strategy}"),
        &format!("stream.talk={talk}"),
        "stream.frames_in=user_turn",
        "stream.on_transition.dialogue_prompt={curr_substep}",
        "stream.every.prompt=What?",
        "context.summarize_with_dst.summary_prompt={steps_done}?",
    ];
    small_settings(&[&sets[..], further].concat()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_frame_stands_outside_of_a_turn_whatever_is_evicted(
        (strategy, talk) in (prop::sample::select(strategies()), prop::sample::select(&TALKS[..])),
        (max_seq_len, reserved) in (260usize..700, 0usize..60),
        frame_tokens in 1usize..30,
        reply_lengths in prop::collection::vec(1usize..60, 1..8),
        (fork_length, max_new_tokens) in (2usize..40, 1usize..40),
        (early, early_tokens) in (prop::option::of(0.1f64..1.0), 1usize..9),
        (substep_frames, detects, time_text) in (1usize..20, any::<bool>(), any::<bool>()),
    ) {
        let source = if detects { "model" } else { "annotations" };
        let tokens = format!("context.summarize_and_drop.early_tokens_per_frame={early_tokens}");
        let early = early.map(|at| format!("context.summarize_and_drop.summarize_at={at}"));
        let settings = in_turns(strategy, talk, &[
            &tokens,
            early.as_ref().unwrap_or(&tokens),
            &format!("context.max_seq_len={max_seq_len}"),
            &format!("context.reserved_seq_len={reserved}"),
            &format!("generation.max_new_tokens={max_new_tokens}"),
            &format!("stream.on_transition.substep_source={source}"),
            &format!("stream.frame_time_text={time_text}"),
        ]);
        // A cache of exactly the bound: the fake panics where a token too many goes in.
        let mut model = FakeModel::new(max_seq_len, frame_tokens, &reply_lengths, fork_length);
        let guidance = guidance(substep_frames, true);
        let mut session = session(&model, &settings, &guidance).unwrap();
        let (events, failure) = lawful_stream(&mut model, &mut session);
        let refused =
            matches!(failure, None | Some(SessionError::Plan(_) | SessionError::NoRoom { .. }));
        prop_assert!(refused, "{failure:?}");
        let broken = broken_laws(&[&[started(strategy)], &events[..]].concat());
        prop_assert!(broken.is_empty(), "{broken:?}");
    }

    #[test]
    fn a_simulation_of_the_trace_opens_and_closes_the_same_turns(
        (strategy, talk) in (prop::sample::select(strategies()), prop::sample::select(&TALKS[..])),
        reply_lengths in prop::collection::vec(1usize..16, 1..8),
        (substep_frames, time_text) in (3usize..12, any::<bool>()),
        early in prop::sample::select(vec!["context.summarize_and_drop.summarize_at=0.7", "stream.fps=2"]),
    ) {
        let time_text = format!("stream.frame_time_text={time_text}");
        let roomy = [early, &time_text, "context.max_seq_len=500", "stream.every.seconds=3"];
        let settings = in_turns(strategy, talk, &roomy);
        let mut model = FakeModel::new(500, 8, &reply_lengths, 12);
        let guidance = guidance(substep_frames, true);
        let mut session = session(&model, &settings, &guidance).unwrap();
        let (events, failure) = lawful_stream(&mut model, &mut session);
        prop_assert!(failure.is_none(), "{failure:?}");
        if let OverflowRule::Strategy(strategy) = rule(&settings) {
            let difference = replay(&events, strategy.as_ref()).map_err(TestCaseError::fail)?;
            prop_assert!(difference.is_none(), "{difference:?}");
        }
    }

    #[test]
    fn a_strategy_of_somebody_elses_cannot_break_a_turn(
        seed in any::<u64>(),
        talk in prop::sample::select(&TALKS[..]),
        reply_lengths in prop::collection::vec(1usize..16, 1..8),
    ) {
        let settings = in_turns("drop_all", talk, &["context.max_seq_len=500"]);
        let mut model = FakeModel::new(500, 8, &reply_lengths, 12);
        let rule = OverflowRule::Strategy(Box::new(Haphazard(seed)));
        let options = SessionOptions::new(&settings, guidance(5, false));
        let mut session = Session::new(model.language(), rule, options).unwrap();
        let (events, failure) = lawful_stream(&mut model, &mut session);
        prop_assert!(matches!(failure, None | Some(SessionError::Plan(_))), "{failure:?}");
        let broken = broken_laws(&[&[started("haphazard")], &events[..]].concat());
        prop_assert!(broken.is_empty(), "{broken:?}");
    }
}
