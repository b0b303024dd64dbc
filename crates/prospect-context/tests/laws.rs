//! The laws of eviction over every strategy and random streams, hostile ones included.

use proptest::prelude::*;
use prospect_context::strategies::{
    DropAll, DropMiddle, SinkWindow, SummarizeAndDrop, SummarizeWithDst, proassist,
};
use prospect_context::{
    Budget, CacheView, ContextStrategy, DialogueState, EvictionPlan, Ledger, Opening, PlanError,
    PositionPolicy, Role, SegmentKind, Signals, TokenCounter, Trigger,
};

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len() + 4
    }
}

/// A stream as it stands when it overflows.
#[derive(Debug, Clone)]
struct Stream {
    segments: Vec<(SegmentKind, usize, bool)>,
    budget: Budget,
    incoming: usize,
    pending: usize,
    initial_tokens: Option<usize>,
    state: Option<DialogueState>,
}

impl Stream {
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new();
        for (index, &(kind, tokens, pinned)) in self.segments.iter().enumerate() {
            ledger.append(kind, tokens, index as f64 / 2.0, pinned);
        }
        ledger
    }

    fn view<'a>(&'a self, ledger: &'a Ledger) -> CacheView<'a> {
        CacheView {
            segments: ledger.segments(),
            budget: self.budget,
            incoming: self.incoming,
            pending: self.pending.min(self.incoming),
            time: self.segments.len() as f64 / 2.0,
            opening: Opening { system_prompt: "Help.", task_knowledge: Some("Cubes go first.") },
            initial_tokens: self.initial_tokens,
            dialogue_state: self.state.as_ref(),
            token_counter: &OneTokenPerByte,
            signals: Signals::default(),
        }
    }
}

fn kind() -> impl Strategy<Value = SegmentKind> {
    prop_oneof![
        1 => Just(SegmentKind::System),
        1 => Just(SegmentKind::User),
        6 => Just(SegmentKind::Frame),
        2 => Just(SegmentKind::Assistant),
        1 => Just(SegmentKind::Summary),
    ]
}

fn tokens() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 1usize..40, 1 => Just(0), 1 => 40usize..5_000]
}

prop_compose! {
    fn budget()(
        max_seq_len in prop_oneof![4 => 100usize..2_000, 1 => 0usize..3],
        reserved_seq_len in 0usize..200,
        max_reply_tokens in prop_oneof![4 => 0usize..60, 1 => 1_000usize..5_000],
        max_summary_tokens in 0usize..100,
    ) -> Budget {
        Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens }
    }
}

prop_compose! {
    fn stream()(
        segments in prop::collection::vec((kind(), tokens(), prop::bool::weighted(0.1)), 0..80),
        budget in budget(),
        incoming in tokens(),
        pending in 0usize..3,
        initial_tokens in prop::option::of(0usize..1_000),
        steps in prop::option::of(prop::collection::vec("[a-z]{0,8}", 0..4)),
    ) -> Stream {
        let state = steps.map(|steps_done| DialogueState { steps_done, ..DialogueState::default() });
        Stream { segments, budget, incoming, pending, initial_tokens, state }
    }
}

fn strategies() -> Vec<Box<dyn ContextStrategy>> {
    let positions = PositionPolicy::Rerotate;
    let prompt = "Progress? {steps_done}".to_owned();
    vec![
        Box::new(DropAll),
        Box::new(DropMiddle { last_keep_len: 64, positions }),
        Box::new(DropMiddle { last_keep_len: usize::MAX, positions }),
        Box::new(SinkWindow { n_sink: 4, window: 100, positions }),
        Box::new(SinkWindow { n_sink: 0, window: 0, positions }),
        Box::new(SummarizeAndDrop { prompt: prompt.clone(), max_summary_len: 30 }),
        Box::new(SummarizeWithDst { prompt: prompt.clone(), max_summary_len: 30, max_state_len: 20 }),
        Box::new(proassist::DropAll),
        Box::new(proassist::DropMiddle { last_keep_len: 64 }),
        Box::new(proassist::SummarizeAndDrop { prompt, max_summary_len: 30 }),
    ]
}

fn in_bounds_and_sorted(plan: &EvictionPlan, cache_tokens: usize) -> bool {
    let ranges: Vec<_> = plan.kept().collect();
    ranges.iter().all(|range| range.start < range.end && range.end <= cache_tokens)
        && ranges.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

/// Tokens of `segment` that the plan keeps.
fn kept_of(plan: &EvictionPlan, segment: &std::ops::Range<usize>) -> usize {
    plan.kept().map(|range| range.end.min(segment.end).saturating_sub(range.start.max(segment.start))).sum()
}

fn check_laws(plan: &EvictionPlan, view: &CacheView<'_>) -> Result<(), TestCaseError> {
    let drops_everything = plan.kept().next().is_none();
    for segment in view.segments {
        let kept = kept_of(plan, &segment.range);
        if segment.kind == SegmentKind::Frame {
            prop_assert!(kept == 0 || kept == segment.range.len(), "a frame is cut");
        }
        if segment.pinned && !drops_everything {
            prop_assert_eq!(kept, segment.range.len(), "a pinned segment is dropped");
        }
    }
    let incoming = if plan.keeps_pending() { view.incoming } else { view.incoming - view.pending };
    prop_assert_eq!(view.budget.overflows(plan.tokens_after(view), incoming), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_strategy_keeps_the_laws_or_says_why_not(stream in stream()) {
        let ledger = stream.ledger();
        let view = stream.view(&ledger);
        for strategy in strategies() {
            let plan = strategy.plan(&view);
            prop_assert_eq!(&plan, &strategy.plan(&view), "equal views, different plans: {}", strategy.name());
            let Ok(plan) = plan else { continue };
            prop_assert!(in_bounds_and_sorted(&plan, view.cache_tokens()), "{}", strategy.name());
            if strategy.trigger() == Trigger::BeforeChunk {
                check_laws(&plan, &view)?;
            }
        }
    }

    #[test]
    fn a_roomy_budget_always_has_a_plan(frames in 20usize..100) {
        let mut segments = vec![(SegmentKind::System, 20, true)];
        segments.extend((0..frames).map(|_| (SegmentKind::Frame, 10, false)));
        let budget =
            Budget { max_seq_len: 220, reserved_seq_len: 20, max_reply_tokens: 30, max_summary_tokens: 40 };
        let state = Some(DialogueState::default());
        let stream = Stream { segments, budget, incoming: 11, pending: 1, initial_tokens: None, state };
        let ledger = stream.ledger();
        for strategy in strategies() {
            prop_assert!(strategy.plan(&stream.view(&ledger)).is_ok(), "{}", strategy.name());
        }
    }
}

#[test]
fn without_a_dialogue_state_the_dst_summary_fails_by_name() {
    let budget =
        Budget { max_seq_len: 500, reserved_seq_len: 20, max_reply_tokens: 30, max_summary_tokens: 40 };
    let segments = vec![(SegmentKind::Frame, 10, false)];
    let stream = Stream { segments, budget, incoming: 11, pending: 1, initial_tokens: None, state: None };
    let strategy = SummarizeWithDst { prompt: "Progress?".into(), max_summary_len: 30, max_state_len: 0 };
    let expected = PlanError::MissingDialogueState { strategy: "summarize_with_dst".into() };
    assert_eq!(strategy.plan(&stream.view(&stream.ledger())), Err(expected));
}
