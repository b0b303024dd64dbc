//! The laws of eviction over every strategy and random streams, hostile ones included.

mod common;

use common::strategies;
use prospect_context::laws::{self, BrokenLaw};
use prospect_context::strategies::{DropAll, DropMiddle, Hybrid, Keyframes, SummarizeWithDst};
use prospect_context::{
    Budget, CacheView, ContextStrategy, DialogueState, EvictionPlan, Ledger, Opening, Piece, PlanError,
    PositionPolicy, Role, SegmentKind, Signals, TokenCounter,
};

/// Streams per strategy.
const STREAMS: usize = 10_000;

#[test]
fn every_strategy_keeps_the_laws_on_every_stream_or_says_why_not() {
    for strategy in strategies() {
        match laws::check_strategy(strategy.as_ref(), STREAMS) {
            Ok(lawful) => assert!(lawful > STREAMS / 10, "{}: {lawful} plans", strategy.name()),
            Err(counterexample) => panic!("{counterexample}"),
        }
    }
}

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len() + 4
    }
}

const BUDGET: Budget =
    Budget { max_seq_len: 220, reserved_seq_len: 20, max_reply_tokens: 30, max_summary_tokens: 40 };

/// A pinned system prompt of 20 tokens, then frames of 10.
fn ledger(frames: usize) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 20, 0.0, true);
    for frame in 0..frames {
        let similarity = if frame % 5 == 0 { 0.2 } else { 0.99 };
        ledger.append_frame(10, frame as f64 / 2.0, false, (frame > 0).then_some(similarity));
    }
    ledger
}

fn view<'a>(ledger: &'a Ledger, state: Option<&'a DialogueState>) -> CacheView<'a> {
    CacheView {
        segments: ledger.segments(),
        budget: BUDGET,
        incoming: 11,
        pending: 1,
        time: ledger.segments().len() as f64 / 2.0,
        opening: Opening { system_prompt: "Help.", task_knowledge: Some("Cubes go first.") },
        initial_tokens: None,
        dialogue_state: state,
        token_counter: &OneTokenPerByte,
        signals: Signals::default().with_frame_similarity(ledger.frame_similarity()),
        early_summary: None,
    }
}

#[test]
fn a_roomy_budget_always_has_a_plan() {
    let state = DialogueState::default();
    for frames in 20..100 {
        let ledger = ledger(frames);
        for strategy in strategies() {
            let plan = strategy.plan(&view(&ledger, Some(&state)));
            assert!(plan.is_ok(), "{}: {plan:?}", strategy.name());
        }
    }
}

#[test]
fn what_a_plan_keeps_follows_the_strategys_position_policy() {
    let (ledger, state) = (ledger(40), DialogueState::default());
    for strategy in strategies() {
        let plan = strategy.plan(&view(&ledger, Some(&state))).unwrap();
        if plan.kept().next().is_some() {
            assert_eq!(plan.positions(), strategy.positions(), "{}", strategy.name());
        }
    }
}

/// Breaks one law on purpose.
struct Unlawful(fn(&CacheView<'_>) -> EvictionPlan);

impl ContextStrategy for Unlawful {
    fn name(&self) -> &str {
        "unlawful"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        Ok((self.0)(view))
    }

    fn positions(&self) -> PositionPolicy {
        PositionPolicy::Legacy
    }
}

#[test]
fn the_check_finds_each_broken_law() {
    // ProAssist's plans are not checked when they are made: the way to an unlawful one.
    let keep = |view: &CacheView<'_>, from: usize, until: usize| {
        let until = until.min(view.cache_tokens());
        let pieces = if from < until { vec![Piece::Keep(from..until)] } else { vec![] };
        EvictionPlan::new_proassist(pieces, view).unwrap()
    };
    let ledger = ledger(40);
    let view = view(&ledger, None);
    assert_eq!(laws::check_plan(&keep(&view, 0, 30), &view), Ok(()));
    assert_eq!(laws::check_plan(&keep(&view, 0, 35), &view), Err(BrokenLaw::CutFrame { start: 30 }));
    assert_eq!(laws::check_plan(&keep(&view, 30, 40), &view), Err(BrokenLaw::DroppedPinned { start: 0 }));
    let full = laws::check_plan(&keep(&view, 0, 420), &view);
    assert_eq!(full, Err(BrokenLaw::OverflowsAgain { tokens_after: 420 }));

    let everything = |view: &CacheView<'_>| {
        let all = 0..view.cache_tokens();
        EvictionPlan::new_proassist(
            Some(all).filter(|all| !all.is_empty()).map(Piece::Keep).into_iter().collect(),
            view,
        )
        .unwrap()
    };
    let counterexample = laws::check_strategy(&Unlawful(everything), 100).unwrap_err();
    assert!(matches!(counterexample.law, BrokenLaw::OverflowsAgain { .. }), "{counterexample}");
}

/// Keeps all there is room for, under one policy, and says another.
struct TwoPolicies;

impl ContextStrategy for TwoPolicies {
    fn name(&self) -> &str {
        "two_policies"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        DropMiddle { last_keep_len: 50, positions: PositionPolicy::Preserve }.plan(view)
    }
}

/// Asks for a summary and sets no room aside.
struct NoRoom;

impl ContextStrategy for NoRoom {
    fn name(&self) -> &str {
        "no_room"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let positions = PositionPolicy::Rerotate;
        Hybrid { prompt: "?".into(), max_summary_len: 9, last_keep_len: 9, positions }.plan(view)
    }
}

#[test]
fn what_would_fail_in_a_run_is_found_before_it() {
    let law = |strategy: &dyn ContextStrategy| laws::check_strategy(strategy, 1_000).unwrap_err().law;
    assert_eq!(law(&TwoPolicies), BrokenLaw::Positions { plan: "preserve", strategy: "rerotate" });
    assert_eq!(law(&NoRoom), BrokenLaw::NoSummaryRoom);
}

#[test]
fn more_pending_than_incoming_is_no_panic() {
    let ledger = ledger(40);
    let view = CacheView { incoming: 0, pending: 3, ..view(&ledger, None) };
    let plan = DropAll.plan(&view).unwrap();
    assert_eq!(laws::check_plan(&plan, &view), Ok(()));
}

#[test]
fn keyframes_keep_the_cuts_over_many_evictions() {
    // Quiet frames that are never quite alike, and a cut every twelve frames.
    let strategy =
        Keyframes { keep_frame_len: 120, recent_frame_len: 40, positions: PositionPolicy::Rerotate };
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 20, 0.0, true);
    let mut evictions = 0;
    for frame in 0..200 {
        let cut = frame % 12 == 0;
        let angle: f64 = if cut { 1.6 } else { 0.4 };
        if BUDGET.overflows(ledger.tokens(), 11).is_some() {
            let kept: Vec<_> = strategy.plan(&view(&ledger, None)).unwrap().kept().collect();
            ledger.keep(&kept);
            evictions += 1;
        }
        ledger.append_frame(10, f64::from(frame) / 2.0, false, (frame > 0).then_some(angle.cos()));
    }
    let times = ledger.segments().iter().filter(|segment| segment.kind == SegmentKind::Frame);
    let frames: Vec<usize> = times.map(|segment| (segment.time * 2.0) as usize).collect();
    // What is not recent is a cut.
    let old: Vec<usize> = frames.iter().copied().filter(|frame| *frame < 192).collect();
    assert!(old.len() >= 4 && old.iter().all(|frame| frame % 12 == 0), "{frames:?}");
    assert!(evictions > 20, "{evictions} evictions");
}

/// Gives another plan each time it is asked.
struct Moody(std::sync::atomic::AtomicUsize);

impl ContextStrategy for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let times = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let pieces = if times.is_multiple_of(2) { vec![Piece::PendingReply] } else { vec![] };
        EvictionPlan::new_proassist(pieces, view)
    }
}

#[test]
fn a_strategy_that_is_no_function_of_the_view_is_found_out() {
    let counterexample = laws::check_strategy(&Moody(Default::default()), 10).unwrap_err();
    assert_eq!(counterexample.law, BrokenLaw::Undetermined);
}

#[test]
fn without_a_dialogue_state_the_dst_summary_fails_by_name() {
    let strategy = SummarizeWithDst { prompt: "Progress?".into(), max_summary_len: 30, max_state_len: 0 };
    let expected = PlanError::MissingDialogueState { strategy: "summarize_with_dst".into() };
    assert_eq!(strategy.plan(&view(&ledger(1), None)), Err(expected));
}
