//! People speak while the model watches: what they say, and another system prompt, go in with the next frame.

use super::driver::{FakeModel, NOW, frame, session, settings};
use prospect_context::catalogue::{ParameterRole, StrategyDescription};
use prospect_context::strategies::BUILT_IN;

use crate::fake::{REFUSED, small_settings};
use crate::{Done, Event, Guidance, OpeningTexts, Said, SessionError};

const ROOMY: [&str; 2] = ["context.max_seq_len=2000", "stream.system_prompt=Help."];

#[test]
fn what_is_said_goes_in_with_the_next_frame_and_is_answered() {
    let settings = settings(&[&ROOMY[..], &["stream.talk=on_request"]].concat());
    let mut model = FakeModel::new(2000, 2, &[3], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    assert_eq!(model.frame(&mut session, frame(0)).unwrap(), None);
    session.say("hot?").unwrap();
    session.say("really?").unwrap();
    let reply = model.frame(&mut session, frame(1)).unwrap().unwrap();
    assert_eq!((reply.frame, reply.text.as_str()), (1, "aa"));
    assert_eq!(model.frame(&mut session, frame(2)).unwrap(), None);
    assert_eq!(model.text(), "<SHelp.|##<Uhot?|<Ureally?|##A:aa|##");
    let said = session.take_events().into_iter().filter_map(|event| match event {
        Event::Message { text, time, .. } => Some((time, text)),
        _ => None,
    });
    let expected = [(0.0, "Help."), (0.5, "hot?"), (0.5, "really?")].map(|(time, text)| (time, text.into()));
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_said_while_a_frame_is_worked_on_waits_for_the_next_one() {
    let settings = settings(&ROOMY);
    let mut model = FakeModel::new(2000, 2, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    session.frame(frame(0), NOW).unwrap();
    session.say("hot?").unwrap();
    model.serve(&mut session, std::time::Instant::now()).unwrap().unwrap();
    assert_eq!(model.text(), "<SHelp.|##");
    model.frame(&mut session, frame(1)).unwrap();
    assert_eq!(model.text(), "<SHelp.|##|<Uhot?|##");
}

#[test]
fn what_does_not_fit_or_cannot_be_encoded_is_refused_and_the_stream_goes_on() {
    let settings = settings(&[
        "stream.system_prompt=Help.",
        "context.strategy=drop_all",
        "context.max_seq_len=120",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let mut model = FakeModel::new(120, 2, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    let long = session.say(&"x".repeat(200)).unwrap_err();
    assert!(
        matches!(long, SessionError::MessageTooLong { tokens: 203, .. }) && long.is_bad_input(),
        "{long}"
    );
    assert!(session.say(REFUSED).unwrap_err().is_bad_input());
    model.frame(&mut session, frame(0)).unwrap();
    assert!(!model.text().contains('x'));
}

#[test]
fn another_system_prompt_goes_in_pinned_and_opens_the_cache_from_then_on() {
    let settings = settings(&[
        "stream.system_prompt=Help.",
        "context.strategy=drop_all",
        "context.max_seq_len=100",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let mut model = FakeModel::new(100, 8, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    model.frame(&mut session, frame(0)).unwrap();
    session.set_opening(OpeningTexts { system_prompt: "Watch.".into(), task_knowledge: None }).unwrap();
    model.frame(&mut session, frame(1)).unwrap();
    assert_eq!(model.text(), "<SHelp.|########|<SWatch.|########");
    for index in 2..12 {
        model.frame(&mut session, frame(index)).unwrap();
    }
    assert!(model.text().starts_with("<SWatch.|"), "{}", model.text());
    assert!(!model.text().contains("Help"), "{}", model.text());
}

#[test]
fn what_is_said_while_a_frame_with_a_question_is_worked_on_is_not_lost() {
    let settings = settings(&ROOMY);
    let mut model = FakeModel::new(2000, 2, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    session.say("first").unwrap();
    session.frame(frame(0), NOW).unwrap();
    session.say("second").unwrap();
    let texts = |prompt: &str| OpeningTexts { system_prompt: prompt.into(), task_knowledge: None };
    session.set_opening(texts("Watch.")).unwrap();
    model.serve(&mut session, std::time::Instant::now()).unwrap().unwrap();
    assert_eq!(model.text(), "<SHelp.|<Ufirst|##");
    model.frame(&mut session, frame(1)).unwrap();
    assert_eq!(model.text(), "<SHelp.|<Ufirst|##|<SWatch.|<Usecond|##");
}

#[test]
fn a_stream_that_forgets_everything_opens_with_the_new_prompt_from_then_on() {
    let settings = settings(&[
        "stream.system_prompt=Help.",
        "context.strategy=none",
        "context.max_seq_len=100",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let mut model = FakeModel::new(100, 2, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    model.frame(&mut session, frame(0)).unwrap();
    session.set_opening(OpeningTexts { system_prompt: "Watch.".into(), task_knowledge: None }).unwrap();
    for index in 1..4 {
        model.frame(&mut session, frame(index)).unwrap();
        assert_eq!(model.text(), "<SWatch.|##", "frame {index}");
    }
}

#[test]
fn prompts_that_are_changed_again_and_again_leave_room_for_frames() {
    let summarizes = |strategy: &StrategyDescription| {
        strategy.parameters_as(ParameterRole::SummaryLength).next().is_some()
    };
    for strategy in BUILT_IN.iter().filter(|strategy| !summarizes(strategy)) {
        let strategy = strategy.name;
        let settings = small_settings(&[
            &format!("context.strategy={strategy}"),
            "context.max_seq_len=300",
            "context.reserved_seq_len=20",
            "generation.max_new_tokens=8",
        ])
        .unwrap();
        let mut model = FakeModel::new(300, 8, &[1], 1);
        let mut session = session(&model, &settings, &Guidance::default()).unwrap();
        for index in 0..120 {
            let prompt = format!("{index} {}", "x".repeat(60));
            if index % 5 == 4 {
                session.set_opening(OpeningTexts { system_prompt: prompt, task_knowledge: None }).unwrap();
            }
            model.frame(&mut session, frame(index)).unwrap_or_else(|error| panic!("{strategy}: {error}"));
        }
        let text = model.text();
        assert!(text.contains("<S119 ") && text.matches("<S119 ").count() == 1, "{strategy}: {text}");
    }
}

#[test]
fn inputs_out_of_turn_are_refused_in_words() {
    let settings = settings(&ROOMY);
    let mut model = FakeModel::new(2000, 2, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    let nobody = session.done(Done::Said(Said::default()), NOW).unwrap_err().to_string();
    assert_eq!(
        nobody,
        "generated tokens came while the session waits for a frame: expected the result of its last work"
    );
    session.frame(frame(0), NOW).unwrap();
    let second = session.frame(frame(1), NOW).unwrap_err().to_string();
    assert_eq!(
        second,
        "a frame came while the session encodes a frame: expected it to be done with the frame before"
    );
    assert!(session.memory().is_none(), "a stream is written down between two frames");
    model.serve(&mut session, std::time::Instant::now()).unwrap().unwrap();
    assert!(session.memory().is_some());
}
