//! Small streams worked out by hand.

use prospect_context::simulator::{
    Eviction, FactPlace, PutBack, Simulation, Simulator, SimulatorError, SimulatorOptions, StreamSegment,
    StreamStep,
};
use prospect_context::strategies::{DropAll, DropMiddle, Keyframes, SummarizeAndDrop, proassist};
use prospect_context::{
    Budget, ContextStrategy, Opening, OverflowTrigger, PlanError, PositionPolicy, SegmentKind,
};

/// 66 tokens may stand before a chunk of 8: 80 - 6 for a reply - 8. Strategies that sum up need more.
const BUDGET: Budget =
    Budget { max_seq_len: 80, reserved_seq_len: 4, max_reply_tokens: 6, max_summary_tokens: 0 };

fn options() -> SimulatorOptions<'static> {
    SimulatorOptions { summary_tokens: 9, ..SimulatorOptions::new(BUDGET) }
}

/// A system prompt of 10, then a frame of 7 and its silence token each second; the frame at second 3 gets a reply of 5
/// tokens, the last of which waits. The frames at seconds 1, 3 and 6 tell facts 1, 3 and 6, the reply tells fact 3 too.
fn stream(frames: usize) -> Vec<StreamStep> {
    let step = |second: usize| {
        let mut step = StreamStep::silent(second as f64, 7);
        if second == 0 {
            step.before.push(StreamSegment::new(SegmentKind::System, 10).pinned());
        }
        if matches!(second, 1 | 3 | 6) {
            step.frame.fact = Some(second as u32);
        }
        if second == 3 {
            step.reply.push(StreamSegment::new(SegmentKind::Assistant, 4).with_fact(3));
            step.waiting = Some(StreamSegment::last_token(SegmentKind::Assistant));
        }
        // Twice the scene changes, the second time the more.
        let similarity = match second {
            2 => 0.1,
            5 => 0.0,
            _ => 0.99,
        };
        step.similarity = (second > 0).then_some(similarity);
        step
    };
    (0..frames).map(step).collect()
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn simulate(strategy: &dyn ContextStrategy, frames: usize) -> Simulation {
    Simulator::new(strategy, options()).run(stream(frames)).unwrap()
}

fn places(simulation: &Simulation) -> Vec<(u32, FactPlace)> {
    simulation.facts.iter().map(|record| (record.fact, record.place)).collect()
}

fn only(simulation: &Simulation) -> &Eviction {
    assert_eq!(simulation.evictions.len(), 1);
    &simulation.evictions[0]
}

/// After second s the cache holds 17, 25, 33, 45 (frame and reply), 53, 61, 69, 77. Before the frame of second 7 it holds 69
/// and 8 more come in: 69 + 8 + 6 = 83 > 80, for the first time.
#[test]
fn the_cache_grows_until_the_budget_says() {
    let simulation = simulate(&DropAll, 7);
    let lengths: Vec<usize> = simulation.steps.iter().map(|step| step.cache_tokens).collect();
    assert_eq!(lengths, [17, 25, 33, 45, 53, 61, 69]);
    assert_eq!(simulation.evictions, []);
    assert_eq!(simulation.oldest_frame_age(), Some(6.0));
    assert_eq!(simulation.survival(SegmentKind::Frame), Some(1.0));
}

#[test]
fn drop_all_forgets_the_stream_and_pays_for_the_system_prompt() {
    let simulation = simulate(&DropAll, 8);
    let eviction = only(&simulation);
    assert_eq!((eviction.step, eviction.time, eviction.trigger), (7, 7.0, OverflowTrigger::NoRoom));
    assert_eq!((eviction.incoming, eviction.pending), (8, 1));
    assert_eq!((eviction.tokens_before, eviction.tokens_after), (69, 10));
    assert_eq!(eviction.kept, []);
    assert_eq!(eviction.put_back, [PutBack { kind: SegmentKind::System, tokens: 10 }]);
    // The silence token of the frame at second 6 was not in the cache yet, and that of second 2 is part of its frame.
    let evicted = |kind| eviction.evicted_tokens.of(kind);
    assert_eq!([SegmentKind::System, SegmentKind::Frame, SegmentKind::Assistant].map(evicted), [10, 54, 5]);
    assert_eq!((eviction.reprefilled, simulation.reprefilled()), (10, 10));
    assert_eq!(eviction.lost_facts, [1, 3, 6]);
    // The silence token stands behind the pinned system prompt as a segment of its own.
    assert_eq!(simulation.steps[7].cache_tokens, 10 + 1 + 7);
    assert_eq!(simulation.survived.of(SegmentKind::System), 0, "what is there was put back");
    assert_eq!(simulation.in_cache.of(SegmentKind::System), 10);
    assert_eq!(places(&simulation), [1, 3, 6].map(|fact| (fact, FactPlace::Lost { time: 7.0 })));
}

#[test]
fn drop_middle_keeps_the_opening_and_the_last_frames() {
    let strategy = DropMiddle { last_keep_len: 25, positions: PositionPolicy::Recompute };
    let simulation = simulate(&strategy, 8);
    let eviction = only(&simulation);
    // Frames end at 18, 26, 34; that of second 3 at 41 and its reply at 46; then 54, 62, 69.
    assert_eq!(eviction.kept, [0..10, 46..69]);
    assert_eq!((eviction.tokens_after, eviction.kept_tokens.of(SegmentKind::Frame)), (33, 23));
    assert_eq!(eviction.oldest_frame_age, Some(3.0));
    assert_eq!(eviction.reprefilled, 33, "recompute runs all of it again");
    assert_eq!(eviction.lost_facts, [1, 3]);
    assert_eq!(simulation.steps[7].cache_tokens, 33 + 8);
    let lost = FactPlace::Lost { time: 7.0 };
    assert_eq!(places(&simulation), [(1, lost), (3, lost), (6, FactPlace::InCache)]);
    let rotated = DropMiddle { last_keep_len: 25, positions: PositionPolicy::Rerotate };
    assert_eq!(simulate(&rotated, 8).reprefilled(), 0);
}

#[test]
fn keyframes_keep_the_frames_at_which_something_changed() {
    let (keep_frame_len, recent_frame_len) = (30, 8);
    let strategy = Keyframes { keep_frame_len, recent_frame_len, positions: PositionPolicy::Rerotate };
    let simulation = simulate(&strategy, 8);
    // System and reply stay; the newest frame (62..69); of the others the two that differ most: the first, for nothing was
    // before it, and that at second 5.
    assert_eq!(only(&simulation).kept, [0..18, 41..46, 54..69]);
    let lost = FactPlace::Lost { time: 7.0 };
    assert_eq!(places(&simulation), [(1, lost), (3, FactPlace::InCache), (6, FactPlace::InCache)]);
    assert_eq!(simulation.oldest_frame_age(), Some(7.0));
}

fn summarize(summarize_at: Option<f64>) -> SummarizeAndDrop {
    // Prompt: 1 word, 4 + 4 around it: with the answer, 19 tokens of room.
    SummarizeAndDrop {
        prompt: "Progress?".into(),
        max_summary_len: 10,
        summarize_at,
        early_tokens_per_frame: 2,
        positions: PositionPolicy::Rerotate,
    }
}

#[test]
fn a_summary_of_everything_keeps_every_fact() {
    // 80 - 6 - 19 - 8 = 47 may stand: 53 stand before second 5.
    let simulation = simulate(&summarize(None), 6);
    let eviction = only(&simulation);
    assert_eq!((eviction.step, eviction.tokens_before, eviction.tokens_after), (5, 53, 19));
    assert_eq!(eviction.put_back, [PutBack { kind: SegmentKind::Summary, tokens: 10 + 9 }]);
    assert_eq!((eviction.reprefilled, eviction.summary_tokens_waited_for), (19, 9));
    // Nothing is pending any more: the summary has seen it.
    assert_eq!(simulation.steps[5].cache_tokens, 19 + 7);
    assert_eq!(places(&simulation), [1, 3].map(|fact| (fact, FactPlace::InSummary)));
    // The next overflow sums the summary up: fact 6, told since then, and those of the first.
    let simulation = simulate(&summarize(None), 12);
    assert_eq!(simulation.evictions.len(), 2);
    assert_eq!(places(&simulation), [1, 3, 6].map(|fact| (fact, FactPlace::InSummary)));
}

#[test]
fn an_early_summary_knows_what_was_there_when_it_was_begun() {
    // 8 more with each frame: 80% of 47 is 37.6. After second 2 there are 33, after second 3 45, but it was not silent;
    // after second 4 there are 53, of which 2 tokens are written; at the overflow 7 are left.
    let simulation = simulate(&summarize(Some(0.8)), 6);
    let eviction = only(&simulation);
    assert_eq!((eviction.step, eviction.summary_tokens_waited_for), (5, 7));
    assert_eq!(eviction.kept, [], "nothing came in since it was begun");
    assert_eq!(places(&simulation), [1, 3].map(|fact| (fact, FactPlace::InSummary)));

    // 60%, 28.2: begun after second 2 with 33 tokens, of which the last lacks its silence token. The frame at second 3 gets a
    // reply, nothing is written; after second 4 it is at 4 of 9.
    let simulation = simulate(&summarize(Some(0.6)), 6);
    let eviction = only(&simulation);
    assert_eq!((eviction.step, eviction.summary_tokens_waited_for), (5, 5));
    // What came in since: the frame at second 3 (34..41), its reply, the frame at second 4 (46..53).
    assert_eq!(eviction.kept, std::iter::once(34..53).collect::<Vec<_>>());
    assert_eq!((eviction.tokens_after, simulation.steps[5].cache_tokens), (19 + 19, 19 + 19 + 8));
    assert_eq!(places(&simulation), [(1, FactPlace::InSummary), (3, FactPlace::InCache)]);
}

#[test]
fn after_a_frame_texts_go_in_with_the_next_one() {
    let strategy = proassist::SummarizeAndDrop { prompt: "Progress?".into(), max_summary_len: 10 };
    // 80 - 4: the reserve is touched by the 77 tokens after second 7.
    let steps = stream(10);
    let mut simulator = Simulator::new(&strategy, options());
    for step in &steps[..7] {
        assert_eq!(simulator.push(step), Ok(None));
    }
    let eviction = simulator.push(&steps[7]).unwrap().unwrap();
    assert_eq!((eviction.tokens_before, eviction.tokens_after, eviction.incoming), (77, 0, 1));
    assert_eq!((eviction.trigger, eviction.lost_facts.len()), (OverflowTrigger::Reserved, 0));
    assert_eq!(simulator.ledger().tokens(), 0);
    assert_eq!(simulator.push(&steps[8]), Ok(None));
    let kinds: Vec<SegmentKind> = simulator.ledger().segments().iter().map(|segment| segment.kind).collect();
    assert_eq!(kinds, [SegmentKind::Summary, SegmentKind::Frame]);
    let simulation = simulator.finish();
    assert_eq!(places(&simulation), [1, 3, 6].map(|fact| (fact, FactPlace::InSummary)));
    assert_eq!(simulation.steps.last().map(|step| step.cache_tokens), Some(19 + 7));
}

#[test]
fn a_cut_frame_tells_nothing_any_more() {
    let mut steps = stream(8);
    steps[0].before.push(StreamSegment::new(SegmentKind::User, 1));
    steps[0].before[0].tokens = 9;
    // The initial part ends at 17. Of the frame at second 6 (62..69 and its token) the last 10 tokens keep 68..78, in part.
    let strategy = proassist::DropMiddle { last_keep_len: 10 };
    let simulation = Simulator::new(&strategy, options()).run(&steps).unwrap();
    assert_eq!(only(&simulation).kept, [0..17, 67..77]);
    assert!(only(&simulation).lost_facts.contains(&6));
}

#[test]
fn a_strategy_without_a_plan_ends_the_stream_by_name_step_and_time() {
    let text = "many words ".repeat(40);
    let opening = Some(Opening { system_prompt: &text, task_knowledge: None });
    let error = Simulator::new(&DropAll, SimulatorOptions { opening, ..options() }).run(stream(9));
    let source = PlanError::BudgetTooSmall { needed: 84, available: 66 };
    let expected = SimulatorError::Plan { step: 7, time: 7.0, strategy: "drop_all".into(), source };
    assert_eq!(error, Err(expected));
}

#[test]
fn a_chunk_that_fits_nowhere_is_an_error() {
    let mut steps = stream(1);
    steps[0].frame.tokens = 71;
    let error = Simulator::new(&DropAll, options()).run(&steps);
    let expected =
        SimulatorError::NoRoom { step: 0, time: 0.0, incoming: 81, cache_tokens: 0, max_seq_len: 80 };
    assert_eq!(error, Err(expected));
}

#[test]
fn a_reply_ends_where_its_room_ends() {
    let mut steps = stream(5);
    steps[3].reply[0].tokens = 40;
    let simulation = Simulator::new(&DropAll, options()).run(&steps).unwrap();
    assert_eq!(simulation.reply_tokens_cut, 35);
    assert_eq!(simulation.steps[3].cache_tokens, 41 + 5);
    assert_eq!(places(&simulation)[1], (3, FactPlace::InCache), "the frame still tells it");
}
