//! When the assistant speaks, what goes in around it, and what an overflow leaves.

use std::time::Duration;

use prospect_config::UserRequest;
use prospect_context::SegmentKind;

use super::driver::{FakeModel, Run, frame_at, run, session, settings};
use crate::fake::REFUSED;
use crate::{Event, FrameInput, Guidance, Reference, SessionError, TaskStep, Thumbnail};

const ROOMY: &str = "context.max_seq_len=2000";
const SYSTEM: &str = "stream.system_prompt=Help.";

fn nothing() -> Guidance {
    Guidance::default()
}

fn times(run: &Run) -> Vec<f64> {
    run.replies.iter().map(|reply| reply.time).collect()
}

fn request(time: f64, text: &str) -> UserRequest {
    UserRequest { time, text: text.into() }
}

fn reference(time: f64, text: &str) -> Reference {
    Reference { time, text: text.into() }
}

fn tea() -> Guidance {
    let step = |name: &str, start, end| TaskStep { name: name.into(), start, end };
    Guidance {
        steps: vec![step("boil", 0.0, 2.0), step("pour", 2.0, 4.0)],
        requests: vec![request(1.0, "hot?")],
        references: vec![reference(0.0, "Boil it."), reference(2.0, "Pour.")],
        ..Guidance::default()
    }
}

#[test]
fn silence_belongs_to_its_frame_and_goes_in_with_the_next() {
    let mut model = FakeModel::new(2000, 2, &[1, 4, 1], 1);
    let run = run(&mut model, &settings(&[ROOMY, SYSTEM]), &nothing(), 3);
    assert!(run.error.is_none());
    // Opening, frame and its silence, frame and its reply, frame; the last silence is still pending.
    assert_eq!(model.text(), "<SHelp.|##|##aaa|##");
    assert_eq!(times(&run), [0.5]);
    let lengths: Vec<Vec<(SegmentKind, usize)>> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Frame { segments, .. } => {
                Some(segments.iter().map(|segment| (segment.kind, segment.tokens)).collect())
            }
            _ => None,
        })
        .collect();
    use SegmentKind::{Assistant, Frame, System};
    assert_eq!(lengths[0], [(System, 8), (Frame, 2)]);
    assert_eq!(lengths[1], [(Frame, 1), (Frame, 2), (Assistant, 3)]);
    assert_eq!(lengths[2], [(Assistant, 1), (Frame, 2)]);
}

#[test]
fn a_transition_is_announced_once() {
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    let settings = settings(&[
        ROOMY,
        SYSTEM,
        "stream.talk=on_transition",
        "stream.on_transition.dialogue_prompt={prev_substep}>{curr_substep}",
    ]);
    let run = run(&mut model, &settings, &Guidance { requests: vec![], references: vec![], ..tea() }, 10);
    assert_eq!(times(&run), [0.0, 2.0]);
    assert_eq!(model.text(), "<SHelp.|#<Unothing>boil|A:aa|####<Uboil>pour|A:aa|#####");
}

#[test]
fn the_model_itself_can_name_the_substep() {
    let mut model = FakeModel::new(2000, 1, &[3], 5);
    let settings = settings(&[
        ROOMY,
        "stream.talk=on_transition",
        "stream.on_transition.substep_source=model",
        "stream.on_transition.detection_prompt=step?",
    ]);
    let run = run(&mut model, &settings, &nothing(), 6);
    // The fake always names the same step: one transition, and a question at every frame.
    assert_eq!(times(&run), [0.0]);
    assert_eq!(model.cache.questions.len(), 6);
    assert_eq!(model.cache.questions[0], "<Ustep?|A:");
}

#[test]
fn every_and_on_request_keep_their_times() {
    let every = settings(&[ROOMY, "stream.talk=every", "stream.every.seconds=1.5"]);
    assert_eq!(times(&run(&mut FakeModel::new(2000, 1, &[3], 1), &every, &nothing(), 8)), [1.5, 3.0]);
    let asked = settings(&[ROOMY, SYSTEM, "stream.talk=on_request"]);
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    assert_eq!(times(&run(&mut model, &asked, &tea(), 8)), [1.0]);
    assert_eq!(model.text(), "<SHelp.|##<Uhot?|#A:aa|#####");
}

#[test]
fn a_question_is_asked_again_and_again() {
    let every = settings(&[
        ROOMY,
        SYSTEM,
        "stream.talk=every",
        "stream.every.seconds=1",
        "stream.every.prompt=What?",
    ]);
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    assert_eq!(times(&run(&mut model, &every, &nothing(), 5)), [1.0, 2.0]);
    assert_eq!(model.text(), "<SHelp.|###<UWhat?|A:aa|##<UWhat?|A:aa");
    // Who asks is answered at once, without the question of the settings.
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    let guidance = Guidance { requests: vec![request(0.5, "hot?")], ..nothing() };
    assert_eq!(times(&run(&mut model, &every, &guidance, 3)), [0.5, 1.0]);
    assert_eq!(model.text(), "<SHelp.|#<Uhot?|#A:aa|#<UWhat?|A:aa");
}

#[test]
fn a_changed_picture_is_asked_about_once_until_it_changes_again() {
    let settings = settings(&[
        ROOMY,
        SYSTEM,
        "stream.talk=on_change",
        "stream.on_change.prompt=New?",
        "stream.on_change.difference=0.2",
        "stream.on_change.pause=1",
    ]);
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    let mut session = session(&model, &settings, &nothing()).unwrap();
    let mut asked = Vec::new();
    // Noise at 0.5 s; somebody comes at 1 s and stays; a flash comes too soon after; slow dusk from 3 s on.
    for (index, grey) in [100, 101, 180, 181, 100, 180, 180, 165, 150, 135, 120, 105].into_iter().enumerate()
    {
        let input = FrameInput { thumbnail: Thumbnail::grey(grey), ..frame_at(index, index as f64 / 2.0) };
        if model.frame(&mut session, input).unwrap().is_some() {
            asked.push(index as f64 / 2.0);
        }
    }
    // The flash at 2 s is a second after the last question: it is a change, and so is its end.
    assert_eq!(asked, [0.0, 1.0, 2.0, 3.0, 5.0]);
    assert!(model.text().starts_with("<SHelp.|#<UNew?|A:aa|##<UNew?|A:aa|##"), "{}", model.text());
}

#[test]
fn the_model_is_asked_for_the_step_at_intervals() {
    let mut model = FakeModel::new(2000, 1, &[3], 5);
    let settings = settings(&[
        ROOMY,
        "stream.talk=on_transition",
        "stream.on_transition.substep_source=model",
        "stream.on_transition.detect_every=1.5",
    ]);
    run(&mut model, &settings, &nothing(), 8);
    // At 0, 1.5 and 3 s.
    assert_eq!(model.cache.questions.len(), 3);
}

#[test]
fn a_reply_that_repeats_itself_is_cut_wherever_its_pieces_end() {
    for slice in [1, 3, 8, usize::MAX] {
        let settings = settings(&[ROOMY, SYSTEM, "generation.max_repeats=4"]);
        let mut model = FakeModel { slice, ..FakeModel::new(2000, 1, &[30, 2, 1], 1) };
        let run = run(&mut model, &settings, &nothing(), 3);
        // Four times "aaa" are the first phrase that comes four times in twelve tokens.
        assert_eq!(model.text(), format!("<SHelp.|#{}#a|#", "a".repeat(12)), "slices of {slice}");
        let told: Vec<_> = run.replies.iter().map(|reply| (reply.text.len(), reply.repeats)).collect();
        assert_eq!(told, [(12, true), (1, false)]);
        let of_trace = run.events.iter().find_map(|event| match event {
            Event::Reply { token_ids, repeats, .. } => Some((token_ids.len(), *repeats)),
            _ => None,
        });
        assert_eq!(of_trace, Some((12, true)));
    }
}

#[test]
fn references_replace_replies_in_the_context() {
    let mut model = FakeModel::new(2000, 1, &[5], 1);
    let settings = settings(&[ROOMY, SYSTEM, "stream.reference_context=true"]);
    let run = run(&mut model, &settings, &tea(), 6);
    assert_eq!(run.replies.len(), 6);
    assert_eq!(model.text(), "<SHelp.|#A: Boil it.|#|<Uhot?|#|#|#A: Pour.|#");
}

#[test]
fn references_go_in_with_the_frame_that_is_nearest_and_those_of_one_frame_together() {
    let mut model = FakeModel::new(2000, 1, &[1], 1);
    let settings = settings(&[ROOMY, SYSTEM, "stream.reference_context=true"]);
    // At 2 frames a second: 0.6 and 0.7 belong to 0.5, 0.8 to 1.0, and 1.25 to the later of two frames.
    let references = [(0.6, "One."), (0.7, "Two."), (0.8, "Three."), (1.25, "Four.")];
    let references = references.map(|(time, text)| reference(time, text)).to_vec();
    let run = run(&mut model, &settings, &Guidance { references, ..nothing() }, 5);
    assert!(run.error.is_none(), "{:?}", run.error);
    assert_eq!(model.text(), "<SHelp.|#|#A: One. Two.|#A: Three.|#A: Four.|#");
}

#[test]
fn the_stateless_baseline_takes_no_reference_into_the_next_frame() {
    let mut model = FakeModel::new(100, 4, &[3], 1);
    let settings = settings(&[
        SYSTEM,
        "context.strategy=none",
        "context.max_seq_len=100",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
        "stream.reference_context=true",
    ]);
    let run = run(&mut model, &settings, &tea(), 6);
    assert!(run.error.is_none(), "{:?}", run.error);
    let went_in = run.events.iter().filter_map(|event| match event {
        Event::Frame { segments, .. } => Some(segments.iter().map(|segment| segment.tokens).sum::<usize>()),
        _ => None,
    });
    // The opening and a frame, then a frame alone; at 1 s the question goes in, too.
    assert_eq!(went_in.collect::<Vec<_>>(), [12, 4, 4 + 7, 4, 4, 4]);
}

#[test]
fn what_cannot_be_asked_is_found_before_the_first_frame() {
    let mut model = FakeModel::new(2000, 1, &[1], 1);
    let refused = Guidance { requests: vec![request(60.0, REFUSED)], ..tea() };
    let run = run(&mut model, &settings(&[ROOMY, SYSTEM]), &refused, 5);
    assert!(
        matches!(&run.error, Some(SessionError::Request { time: 60.0, problem }) if problem.contains("refused")),
        "{:?}",
        run.error
    );
    assert!(run.events.is_empty() && model.cache.ids.is_empty());
}

#[test]
fn the_question_for_a_substep_counts_in_the_peak() {
    let mut model = FakeModel::new(2000, 1, &[3], 5);
    let settings = settings(&[
        ROOMY,
        SYSTEM,
        "stream.talk=on_transition",
        "stream.on_transition.substep_source=model",
        "stream.on_transition.detection_prompt=which step is it?",
        "stream.on_transition.dialogue_prompt={curr_substep}",
    ]);
    let run = run(&mut model, &settings, &nothing(), 1);
    let (cache, question) = ("<SHelp.|#".len(), "<Uwhich step is it?|A:aaaa".len());
    let Some(Event::RunFinished { peak_cache_tokens, .. }) = run.events.last() else { panic!("closed") };
    assert_eq!(*peak_cache_tokens, cache + question);
    assert!(model.cache.ids.len() < *peak_cache_tokens, "what was asked is no longer there");
}

#[test]
fn the_eviction_of_proassist_is_part_of_its_frames_time() {
    let settings = settings(&[
        SYSTEM,
        "context.rules=proassist",
        "context.strategy=summarize_and_drop",
        "context.max_seq_len=120",
        "context.reserved_seq_len=40",
        "context.summarize_and_drop.summary_prompt=sum up",
        "context.summarize_and_drop.max_summary_len=6",
        "generation.max_new_tokens=8",
    ]);
    let mut model = FakeModel::new(120, 8, &[1], 4);
    model.script.pause = Duration::from_millis(20);
    let run = run(&mut model, &settings, &nothing(), 12);
    assert!(run.error.is_none(), "{:?}", run.error);
    // The pause is no measurement: that a frame waits for a summary is what its time has to say.
    let overflow = run.events.iter().position(|event| matches!(event, Event::Overflow { .. })).unwrap();
    let frame = run.events[..overflow].iter().rev().find_map(|event| match event {
        Event::Frame { time, times, .. } => Some((*time, times.total_ms)),
        _ => None,
    });
    let Event::Overflow { time, ms, .. } = &run.events[overflow] else { unreachable!("found above") };
    let (at, total_ms) = frame.unwrap();
    assert_eq!(*time, at);
    assert!(*ms >= 20.0 && total_ms >= *ms, "{total_ms} ms for an eviction of {ms} ms");
}

#[test]
fn a_summary_stands_behind_the_system_prompt() {
    let mut model = FakeModel::new(120, 8, &[1], 4);
    let settings = settings(&[
        SYSTEM,
        "context.max_seq_len=120",
        "context.reserved_seq_len=20",
        "context.strategy=summarize_and_drop",
        "context.summarize_and_drop.summary_prompt=sum up",
        "context.summarize_and_drop.max_summary_len=6",
        "generation.max_new_tokens=8",
    ]);
    let guidance = Guidance { task_knowledge: Some("Tea.".into()), ..nothing() };
    let run = run(&mut model, &settings, &guidance, 12);
    assert!(run.error.is_none(), "{:?}", run.error);
    assert!(model.text().starts_with("<SHelp. aaa Tea.|########"), "{}", model.text());
    // The silence that was pending belongs to what is summed up.
    assert_eq!(model.cache.questions[0], "|<Usum up|A:");
    let kinds: Vec<&str> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Summary { text, .. } => Some(text.as_str()),
            Event::Overflow { put_back, .. } => Some(put_back[0].kind.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds[..2], ["aaa", "summary"]);
}

#[test]
fn a_summary_that_says_nothing_is_an_error() {
    let settings = settings(&[
        "context.max_seq_len=300",
        "context.strategy=summarize_and_drop",
        "context.summarize_and_drop.max_summary_len=6",
        "context.summarize_and_drop.summary_prompt=sum up",
        "generation.max_new_tokens=8",
        SYSTEM,
    ]);
    let run = run(&mut FakeModel::new(300, 8, &[1], 1), &settings, &nothing(), 60);
    assert!(matches!(run.error, Some(SessionError::EmptySummary { .. })), "{:?}", run.error);
    assert!(matches!(run.events[run.events.len() - 2], Event::Error { .. }));
}

#[test]
fn the_stateless_baseline_sees_one_frame_at_a_time() {
    let mut model = FakeModel::new(60, 4, &[3], 1);
    let settings = settings(&[
        SYSTEM,
        "context.strategy=none",
        "context.max_seq_len=60",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let run = run(&mut model, &settings, &nothing(), 30);
    assert_eq!(run.replies.len(), 30);
    assert_eq!(model.text(), "<SHelp.|####aa");
}

#[test]
fn an_unlimited_run_fails_where_it_overflows() {
    let settings = settings(&[
        SYSTEM,
        "context.strategy=unlimited",
        "context.max_seq_len=60",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let run = run(&mut FakeModel::new(60, 4, &[1], 1), &settings, &nothing(), 30);
    assert!(matches!(run.error, Some(SessionError::UnexpectedOverflow { .. })), "{:?}", run.error);
}

#[test]
fn a_strategy_of_steps_is_refused_before_a_run_without_any() {
    let settings = settings(&["context.strategy=summarize_with_dst"]);
    let run = run(&mut FakeModel::new(4096, 4, &[1], 1), &settings, &nothing(), 1);
    let error = run.error.unwrap();
    assert!(
        matches!(&error, SessionError::MissingDialogueState { strategy } if strategy == "summarize_with_dst")
    );
    assert!(error.is_bad_input());
    assert!(run.events.is_empty());
}

#[test]
fn a_stream_that_starts_late_keeps_the_clock_of_the_video() {
    let every = settings(&[ROOMY, "stream.talk=every", "stream.every.seconds=0.1"]);
    // Ten frames a second, so a period each; 0.3 is no whole number of tenths in binary.
    let mut model = FakeModel::new(2000, 1, &[3], 1);
    let mut session = session(&model, &every, &nothing()).unwrap();
    let spoke = [0, 1, 2, 3, 4].map(|index| {
        let frame = frame_at(index, 7.0 + index as f64 / 10.0);
        model.frame(&mut session, frame).unwrap().is_some()
    });
    assert_eq!(spoke, [false, true, true, true, true]);
}

fn summaries(run: &Run) -> Vec<(f64, String, Option<usize>)> {
    let summary = |event: &Event| match event {
        Event::Summary { time, text, covers, .. } => Some((*time, text.clone(), *covers)),
        _ => None,
    };
    run.events.iter().filter_map(summary).collect()
}

/// One frame of ten tokens at a time under a summary of eight, with a budget for a dozen of them.
fn summarized(sets: &[&str], reply_lengths: &[usize], frames: usize) -> (FakeModel, Run) {
    let fixed = [
        "context.strategy=summarize_and_drop",
        "context.max_seq_len=200",
        "context.reserved_seq_len=20",
        "context.summarize_and_drop.max_summary_len=12",
        "context.summarize_and_drop.summary_prompt=sum up",
        "generation.max_new_tokens=20",
        SYSTEM,
    ];
    let mut model = FakeModel::new(200, 10, reply_lengths, 9);
    let run = run(&mut model, &settings(&[&fixed[..], sets].concat()), &nothing(), frames);
    assert!(run.error.is_none(), "{:?}", run.error);
    (model, run)
}

#[test]
fn a_summary_written_early_is_there_at_the_overflow_and_what_came_since_is_kept() {
    let (_, late) = summarized(&[], &[1], 20);
    let early = [
        "context.summarize_and_drop.summarize_at=0.5",
        "context.summarize_and_drop.early_tokens_per_frame=2",
    ];
    let (model, run) = summarized(&early, &[1], 20);
    let (late, early) = (summaries(&late), summaries(&run));
    assert_eq!((late[0].0, late[0].2), (early[0].0, None), "both overflow at the same time");
    assert_eq!(early[0].1, "abcdefgh", "in pieces it is the same text");
    // Half of the budget was full: the opening of 8 tokens and six frames with their silence, the last of it pending.
    let covers = early[0].2.unwrap();
    assert!((60..100).contains(&covers), "{covers}");
    let Some(Event::Overflow { tokens_before, tokens_after, kept, .. }) =
        run.events.iter().find(|event| matches!(event, Event::Overflow { .. }))
    else {
        panic!("no overflow");
    };
    // What stands behind the covered slots is kept, but for the rest of the frame whose silence came later.
    assert_eq!(kept[..], [[covers + 1, *tokens_before]]);
    assert_eq!(*tokens_after, "<SHelp. abcdefgh|".len() + tokens_before - covers - 1);
    assert!(model.text().starts_with("<SHelp. abcdefgh|##########|"), "{}", model.text());
    assert_eq!(model.cache.questions[0], "|<Usum up|A:");
}

#[test]
fn a_summary_that_is_not_finished_is_finished_at_the_overflow() {
    let early = [
        "context.summarize_and_drop.summarize_at=0.9",
        "context.summarize_and_drop.early_tokens_per_frame=1",
    ];
    let (_, run) = summarized(&early, &[1], 20);
    let summaries = summaries(&run);
    assert_eq!(summaries[0].1, "abcdefgh");
    assert!(summaries[0].2.is_some_and(|covers| covers > 100), "{summaries:?}");
}

#[test]
fn early_writing_goes_on_only_while_the_assistant_is_silent() {
    let early = ["context.summarize_and_drop.summarize_at=0.1"];
    // It speaks at every frame: nothing is begun, and the overflow asks for all of it.
    let (_, run) = summarized(&early, &[3], 20);
    assert!(summaries(&run).iter().all(|summary| summary.2.is_none()));
}

#[test]
fn messages_behind_a_summary_do_not_become_its_opening() {
    let settings = settings(&[
        "context.strategy=hybrid",
        "context.max_seq_len=400",
        "context.reserved_seq_len=40",
        "context.hybrid.max_summary_len=12",
        "context.hybrid.summary_prompt=sum up",
        "context.hybrid.last_keep_len=60",
        "generation.max_new_tokens=16",
        SYSTEM,
    ]);
    // Something is asked at every other frame, for ten minutes.
    let asks = |frame: u32| request(f64::from(frame), "and now?");
    let guidance = Guidance { requests: (0..600).map(asks).collect(), ..nothing() };
    let mut model = FakeModel::new(400, 8, &[1], 9);
    let run = run(&mut model, &settings, &guidance, 1200);
    assert!(run.error.is_none(), "{:?}", run.error);
    let overflows = run.events.iter().filter(|event| matches!(event, Event::Overflow { .. })).count();
    assert!((20..120).contains(&overflows), "{overflows} overflows");
}
