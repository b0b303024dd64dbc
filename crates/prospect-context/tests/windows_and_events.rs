//! What `recent_frames`, `anchor_fifo` and `events` keep.

use proptest::prelude::*;

use prospect_context::simulator::{Simulator, SimulatorOptions, StreamParameters};
use prospect_context::strategies::{AnchorFifo, Events, RecentFrames};
use prospect_context::{
    Budget, CacheView, ContextStrategy, Ledger, Opening, PositionPolicy, Role, Segment, SegmentKind, Signals,
    TokenCounter,
};

const POSITIONS: PositionPolicy = PositionPolicy::Rerotate;
const BUDGET: Budget =
    Budget { max_seq_len: 250, reserved_seq_len: 20, max_reply_tokens: 30, max_summary_tokens: 0 };
/// The most tokens that may stay beside 11 incoming ones.
const ROOM: usize = 209;

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len() + 4
    }
}

/// The segments that a strategy keeps of a cache, one name and time each.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn kept(strategy: &dyn ContextStrategy, ledger: &Ledger) -> Vec<(SegmentKind, f64)> {
    let view = CacheView {
        segments: ledger.segments(),
        budget: BUDGET,
        incoming: 11,
        pending: 1,
        time: 1e9,
        opening: Opening::default(),
        initial_tokens: None,
        dialogue_state: None,
        token_counter: &OneTokenPerByte,
        signals: Signals::default().with_frame_similarity(ledger.frame_similarity()),
        early_summary: None,
    };
    let plan = strategy.plan(&view).unwrap();
    let stays = |segment: &&Segment| plan.kept().any(|range| range.contains(&segment.range.start));
    ledger.segments().iter().filter(stays).map(|segment| (segment.kind, segment.time)).collect()
}

fn frames(kept: &[(SegmentKind, f64)]) -> Vec<f64> {
    kept.iter().filter(|(kind, _)| *kind == SegmentKind::Frame).map(|(_, time)| *time).collect()
}

/// A pinned system prompt of 10 tokens, a request of 5, then frames of 10. Every fourth has a reply of 3.
fn stream(similarities: impl IntoIterator<Item = f64>) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 10, 0.0, true);
    ledger.append(SegmentKind::User, 5, 0.0, false);
    for (index, similarity) in similarities.into_iter().enumerate() {
        let time = index as f64;
        ledger.append_frame(10, time, false, (index > 0).then_some(similarity));
        if index % 4 == 0 {
            ledger.append(SegmentKind::Assistant, 3, time, false);
        }
    }
    ledger
}

#[test]
fn recent_frames_keep_the_question_and_what_was_said_at_the_last_frames() {
    use SegmentKind::{Assistant, Frame, System, User};
    let strategy = RecentFrames { keep_frames: 3, positions: PositionPolicy::Recompute };
    let mut ledger = stream([0.9; 18]);
    // Replies stand at 16, 12 and so on. The one at 16 is among the last three frames.
    let expected =
        [(System, 0.0), (User, 0.0), (Frame, 15.0), (Frame, 16.0), (Assistant, 16.0), (Frame, 17.0)];
    assert_eq!(kept(&strategy, &ledger), expected);
    // The newest request takes the place of the older one.
    ledger.append(SegmentKind::User, 5, 17.5, false);
    ledger.append_frame(10, 18.0, false, Some(0.9));
    let requests = |kept: Vec<(SegmentKind, f64)>| {
        kept.into_iter().filter(|(kind, _)| *kind == User).map(|(_, time)| time).collect::<Vec<_>>()
    };
    assert_eq!(requests(kept(&strategy, &ledger)), [17.5]);
    // What fits is a bound as well: 194 tokens beside system and request, of which four replies take 12.
    let all = RecentFrames { keep_frames: 1_000, positions: PositionPolicy::Recompute };
    assert_eq!(frames(&kept(&all, &stream([0.9; 40]))).len(), 18);
}

#[test]
fn an_anchor_stays_the_same_over_many_evictions() {
    let strategy = AnchorFifo { anchor_frames: 2, evict_len: 40, positions: PositionPolicy::Preserve };
    let mut ledger = stream([0.9; 16]);
    for index in 16..400 {
        let time = f64::from(index);
        if BUDGET.overflows(ledger.tokens(), 11).is_some() {
            let before = ledger.tokens();
            let ranges: Vec<_> = ledger
                .segments()
                .iter()
                .filter(|segment| kept(&strategy, &ledger).contains(&(segment.kind, segment.time)))
                .map(|segment| segment.range.clone())
                .collect();
            ledger.keep(&ranges);
            let evicted = before - ledger.tokens();
            assert!((40..=50).contains(&evicted), "{evicted} tokens at {time}");
            let anchor: Vec<_> =
                ledger.segments()[..6].iter().map(|it| (it.kind.as_str(), it.time)).collect();
            let opening =
                [("system", 0.0), ("user", 0.0), ("frame", 0.0), ("assistant", 0.0), ("frame", 1.0)];
            assert_eq!(anchor[..5], opening);
            assert!(anchor[5].1 > 1.0, "{anchor:?}");
        }
        ledger.append_frame(10, time, false, Some(0.9));
        if index % 3 == 0 {
            ledger.append(SegmentKind::Assistant, 3, time, false);
        }
    }
}

#[test]
fn an_event_has_one_frame_however_much_moves_in_it() {
    // Three scenes of eight frames. In the second one, something moves all the time.
    let similarity = |index: usize| match index {
        8 | 16 => 0.1,
        9..16 => 0.8,
        _ => 0.99,
    };
    let ledger = stream((0..26).map(similarity));
    // Room for five frames, of which the two newest are kept in any case.
    let strategy = Events { keep_frame_len: 50, recent_frame_len: 20, positions: POSITIONS };
    let kept = frames(&kept(&strategy, &ledger));
    let [first, second, third, rest @ ..] = &kept[..] else { panic!("{kept:?}") };
    assert!(*first < 8.0 && (10.0..15.0).contains(second) && (16.0..24.0).contains(third), "{kept:?}");
    assert_eq!(rest, [24.0, 25.0]);
}

#[test]
fn events_are_kept_over_many_evictions() {
    // A cut every ten frames.
    let strategy = Events { keep_frame_len: 120, recent_frame_len: 30, positions: POSITIONS };
    let parameters = StreamParameters { frames: 400, scene_frames: 0, ..StreamParameters::default() };
    let options = SimulatorOptions::new(Budget { max_seq_len: 400, ..BUDGET });
    let mut simulator = Simulator::new(&strategy, options);
    let parameters = StreamParameters { frame_tokens: 10, system_tokens: 10, reply_every: 0, ..parameters };
    for (index, mut step) in parameters.stream().enumerate() {
        step.similarity = (index > 0).then_some(if index % 10 == 0 { 0.5 } else { 0.995 });
        simulator.push(&step).unwrap();
    }
    let times = simulator.ledger().segments().iter().filter(|segment| segment.kind == SegmentKind::Frame);
    let scenes: Vec<usize> = times.map(|segment| (segment.time * parameters.fps) as usize / 10).collect();
    // No scene that is over has two frames.
    let old: Vec<usize> = scenes.iter().copied().filter(|scene| *scene < 36).collect();
    assert!(old.len() >= 4 && old.windows(2).all(|pair| pair[0] < pair[1]), "{scenes:?}");
}

proptest! {
    #[test]
    fn what_a_queue_keeps_behind_its_anchor_is_the_newest(
        lengths in prop::collection::vec((1usize..30, 0usize..6), 5..60),
        anchor_frames in 0usize..3,
        evict_len in 1usize..200,
    ) {
        let mut ledger = Ledger::new();
        for (index, (frame, reply)) in lengths.iter().enumerate() {
            ledger.append_frame(*frame, index as f64, false, Some(0.5));
            ledger.append(SegmentKind::Assistant, *reply, index as f64, false);
        }
        prop_assume!(ledger.tokens() > ROOM);
        let strategy = AnchorFifo { anchor_frames, evict_len, positions: POSITIONS };
        let times: Vec<f64> = kept(&strategy, &ledger).into_iter().map(|(_, time)| time).collect();
        let anchor = anchor_frames as f64;
        let queue: Vec<f64> = times.iter().copied().filter(|time| *time >= anchor).collect();
        // No frame is missing between the oldest of the queue and the newest.
        prop_assert!(queue.windows(2).all(|pair| pair[1] - pair[0] <= 1.0), "{:?}", queue);
        prop_assert!(queue.last().is_none_or(|last| *last == (lengths.len() - 1) as f64));
        let mut anchored: Vec<f64> = times.iter().copied().filter(|time| *time < anchor).collect();
        anchored.dedup();
        prop_assert_eq!(anchored.len(), anchor_frames);
    }

    #[test]
    fn recent_frames_are_the_last_ones_and_no_more(
        lengths in prop::collection::vec(1usize..30, 1..60),
        keep_frames in 1usize..20,
    ) {
        let mut ledger = Ledger::new();
        for (index, tokens) in lengths.iter().enumerate() {
            ledger.append_frame(*tokens, index as f64, false, None);
        }
        let strategy = RecentFrames { keep_frames, positions: POSITIONS };
        let kept = frames(&kept(&strategy, &ledger));
        let newest = (0..lengths.len()).map(|index| index as f64).collect::<Vec<_>>();
        prop_assert_eq!(&newest[newest.len() - kept.len()..], &kept[..]);
        let next: usize = lengths.iter().rev().take(kept.len() + 1).sum();
        prop_assert!(kept.len() == keep_frames.min(lengths.len()) || next > ROOM);
    }

    #[test]
    fn events_keep_one_frame_of_each_scene(
        scenes in prop::collection::vec(2usize..9, 1..12),
        noise in prop::collection::vec(0.9f64..1.0, 100),
    ) {
        // Within a scene the frames are alike, at a cut they are not.
        let mut ledger = Ledger::new();
        let mut scene_of = Vec::new();
        for (scene, length) in scenes.iter().enumerate() {
            for frame in 0..*length {
                let index = scene_of.len();
                let similarity = if frame == 0 { 0.2 } else { noise[index] };
                ledger.append_frame(10, index as f64, false, (index > 0).then_some(similarity));
                scene_of.push(scene);
            }
        }
        let keep_frame_len = 10 * scenes.len();
        let strategy = Events { keep_frame_len, recent_frame_len: 0, positions: POSITIONS };
        let kept = frames(&kept(&strategy, &ledger));
        let kept: Vec<usize> = kept.iter().map(|time| scene_of[*time as usize]).collect();
        prop_assert_eq!(kept, (0..scenes.len()).collect::<Vec<_>>());
    }
}
