//! Every law of a plan, broken once.

use super::*;
use crate::budget::Budget;
use crate::ledger::Ledger;
use crate::view::{Opening, Signals, TokenCounter};

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len()
    }
}

/// System 0..10 (pinned), frames 10..20 and 20..30, assistant 30..35.
fn refused(pieces: Vec<Piece>, max_seq_len: usize) -> PlanError {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 10, 0.0, true);
    ledger.append(SegmentKind::Frame, 10, 0.0, false);
    ledger.append(SegmentKind::Frame, 10, 0.5, false);
    ledger.append(SegmentKind::Assistant, 5, 0.5, false);
    let view = CacheView {
        segments: ledger.segments(),
        budget: Budget { max_seq_len, reserved_seq_len: 10, max_reply_tokens: 5, max_summary_tokens: 0 },
        incoming: 11,
        pending: 1,
        time: 1.0,
        opening: Opening::default(),
        initial_tokens: None,
        dialogue_state: None,
        token_counter: &OneTokenPerByte,
        signals: Signals::default(),
        early_summary: None,
    };
    EvictionPlan::new(pieces, PositionPolicy::Rerotate, &view).unwrap_err()
}

#[test]
fn an_empty_range_is_refused() {
    assert_eq!(refused(vec![Piece::Keep(5..5)], 100), PlanError::EmptyRange { start: 5, end: 5 });
}

#[test]
fn a_range_behind_the_cache_is_refused() {
    let error = refused(vec![Piece::Keep(0..36)], 100);
    assert_eq!(error, PlanError::OutOfBounds { start: 0, end: 36, cache_tokens: 35 });
}

#[test]
fn overlapping_ranges_are_refused() {
    let error = refused(vec![Piece::Keep(0..20), Piece::Keep(10..30)], 100);
    assert_eq!(error, PlanError::Unsorted { previous_end: 20, start: 10 });
}

#[test]
fn a_frame_cut_in_two_is_refused() {
    let error = refused(vec![Piece::Keep(0..10), Piece::Keep(15..35)], 100);
    assert_eq!(error, PlanError::CutsFrame { start: 10, tokens: 10, kept: 5 });
}

#[test]
fn a_frame_kept_in_two_touching_ranges_is_whole() {
    let error = refused(vec![Piece::Keep(0..15), Piece::Keep(15..30), Piece::Keep(31..33)], 20);
    assert!(matches!(error, PlanError::BudgetTooSmall { needed: 32, .. }));
}

#[test]
fn a_pinned_segment_cannot_be_dropped_alone() {
    let error = refused(vec![Piece::Keep(10..20)], 100);
    assert_eq!(error, PlanError::DropsPinned { kind: SegmentKind::System, start: 0 });
}

#[test]
fn the_pending_reply_cannot_go_in_twice() {
    let error = refused(vec![Piece::PendingReply, Piece::PendingReply], 100);
    assert_eq!(error, PlanError::RepeatedPendingReply { times: 2 });
}

#[test]
fn a_plan_that_overflows_again_is_refused() {
    let text = Piece::Text { role: Role::System, text: "x".repeat(20) };
    // 35 - 10 incoming without the pending token - 5 for a reply
    assert_eq!(refused(vec![text], 34), PlanError::BudgetTooSmall { needed: 20, available: 19 });
}
