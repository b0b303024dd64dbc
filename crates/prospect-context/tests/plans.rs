//! The exact plan of every strategy on one small stream.

use std::ops::Range;

use prospect_context::strategies::{
    DropAll, DropMiddle, SinkWindow, SummarizeAndDrop, SummarizeWithDst, proassist,
};
use prospect_context::{
    Budget, CacheView, ContextStrategy, DialogueState, EvictionPlan, Ledger, Opening, Piece, PositionPolicy,
    Role, SegmentKind, Signals, SummaryRequest, TokenCounter,
};

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len()
    }
}

/// System 0..10, user 10..14, frames of 8 from 14 to 54, reply 54..60, frames of 8 from 60 to 84.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 10, 0.0, true);
    ledger.append(SegmentKind::User, 4, 0.0, false);
    for frame in 0..5 {
        ledger.append(SegmentKind::Frame, 8, f64::from(frame) / 2.0, false);
    }
    ledger.append(SegmentKind::Assistant, 6, 2.0, false);
    for frame in 5..8 {
        ledger.append(SegmentKind::Frame, 8, f64::from(frame) / 2.0, false);
    }
    ledger
}

fn plan_in_state(strategy: &dyn ContextStrategy, state: &DialogueState) -> EvictionPlan {
    plan_of(strategy, &ledger(), state)
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn plan_of(strategy: &dyn ContextStrategy, ledger: &Ledger, state: &DialogueState) -> EvictionPlan {
    let view = CacheView {
        segments: ledger.segments(),
        budget: Budget { max_seq_len: 100, reserved_seq_len: 16, max_reply_tokens: 8, max_summary_tokens: 0 },
        incoming: 9,
        pending: 1,
        time: 4.0,
        opening: Opening { system_prompt: "Help.", task_knowledge: Some("Fry last.") },
        initial_tokens: Some(25),
        dialogue_state: Some(state),
        token_counter: &OneTokenPerByte,
        signals: Signals::default(),
        early_summary: None,
    };
    strategy.plan(&view).unwrap()
}

fn plan(strategy: &dyn ContextStrategy) -> EvictionPlan {
    let state = DialogueState {
        steps_done: vec!["wash".into(), "cut".into()],
        current_step: Some("fry".into()),
        next_step: None,
    };
    plan_in_state(strategy, &state)
}

fn kept(strategy: &dyn ContextStrategy) -> Vec<Range<usize>> {
    plan(strategy).kept().collect()
}

fn summary(prompt: &str, with_current_frame: bool) -> Vec<Piece> {
    vec![Piece::Summary(SummaryRequest {
        prompt: prompt.into(),
        max_new_tokens: 12,
        role: Role::System,
        prefix: "Help. ".into(),
        suffix: " Fry last.".into(),
        with_current_frame,
        written: None,
    })]
}

const POSITIONS: PositionPolicy = PositionPolicy::Preserve;

#[test]
fn drop_all_puts_the_system_prompt_back() {
    let text = Piece::Text { role: Role::System, text: "Help.".into() };
    assert_eq!(plan(&DropAll).pieces(), [text, Piece::PendingReply]);
}

#[test]
fn drop_middle_keeps_whole_frames_of_the_last_tokens() {
    let strategy = DropMiddle { last_keep_len: 29, positions: POSITIONS };
    assert_eq!(kept(&strategy), [0..14, 60..84]);
    assert_eq!(plan(&strategy).positions(), POSITIONS);
    assert!(plan(&strategy).keeps_pending());
}

#[test]
fn a_user_message_left_by_an_eviction_does_not_become_initial() {
    let strategy = DropMiddle { last_keep_len: 29, positions: POSITIONS };
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 10, 0.0, true);
    ledger.append(SegmentKind::User, 4, 7.0, false);
    for frame in 0..9 {
        ledger.append(SegmentKind::Frame, 8, 7.0 + f64::from(frame) / 2.0, false);
    }
    assert_eq!(
        plan_of(&strategy, &ledger, &DialogueState::default()).kept().collect::<Vec<_>>(),
        [0..10, 62..86]
    );
}

#[test]
fn drop_middle_keeps_less_where_the_budget_is_smaller() {
    // 83 tokens may stay; the initial 14 and the last 62 are 76, one frame more would be 84
    assert_eq!(kept(&DropMiddle { last_keep_len: 500, positions: POSITIONS }), [0..14, 22..84]);
}

#[test]
fn sink_window_rounds_its_sinks_up_to_whole_segments() {
    assert_eq!(kept(&SinkWindow { n_sink: 11, window: 16, positions: POSITIONS }), [0..14, 68..84]);
    assert_eq!(kept(&SinkWindow { n_sink: 4, window: 16, positions: POSITIONS }), [0..10, 68..84]);
}

#[test]
fn summarize_and_drop_restarts_from_one_system_message() {
    let strategy = SummarizeAndDrop {
        prompt: "Progress?".into(),
        max_summary_len: 12,
        summarize_at: None,
        early_tokens_per_frame: 4,
        positions: PositionPolicy::Rerotate,
    };
    assert_eq!(plan(&strategy).pieces(), summary("Progress?", false));
    assert_eq!(strategy.max_summary_tokens(&OneTokenPerByte), 9 + 12);
}

#[test]
fn summarize_with_dst_fills_the_state_in() {
    let prompt = "Done {steps_done}; now {current_step}; next {next_step}.".to_owned();
    let strategy = SummarizeWithDst { prompt, max_summary_len: 12, max_state_len: 40 };
    assert_eq!(plan(&strategy).pieces(), summary("Done wash, cut; now fry; next none.", false));
}

#[test]
fn summarize_with_dst_leaves_the_oldest_steps_out_first() {
    let strategy =
        SummarizeWithDst { prompt: "Done {steps_done}.".into(), max_summary_len: 12, max_state_len: 10 };
    let steps_done = (10..99).map(|step| format!("s{step}")).collect();
    let state = DialogueState { steps_done, ..DialogueState::default() };
    // 18 + 10 bytes for the prompt: "Done ..., s95, s96, s97, s98." would have 29.
    let expected = summary("Done ..., s96, s97, s98.", false);
    assert_eq!(plan_in_state(&strategy, &state).pieces(), expected);
}

#[test]
fn proassist_drop_all_keeps_the_pending_token_only() {
    assert_eq!(plan(&proassist::DropAll).pieces(), [Piece::PendingReply]);
}

#[test]
fn proassist_drop_middle_cuts_through_frames() {
    assert_eq!(kept(&proassist::DropMiddle { last_keep_len: 20 }), [0..25, 64..84]);
    assert_eq!(kept(&proassist::DropMiddle { last_keep_len: 70 }), [0..25, 25..84]);
    assert_eq!(
        kept(&proassist::DropMiddle { last_keep_len: 85 }),
        std::iter::once(0..84).collect::<Vec<_>>()
    );
}

#[test]
fn proassist_summary_shows_the_current_frame() {
    let strategy = proassist::SummarizeAndDrop { prompt: "Progress?".into(), max_summary_len: 12 };
    assert_eq!(plan(&strategy).pieces(), summary("Progress?", true));
}
