//! Settings change while a stream goes on.

use serde_json::{Map, json};

use super::driver::{FakeModel, NOW, frame, rule, session, settings};
use crate::fake::{small_settings, started, strategies};
use crate::{Event, Guidance, OverflowRule, SessionError, UnlawfulChange, broken_laws};

fn rule_of(strategy: &str, further: &[&str]) -> OverflowRule {
    rule(&small_settings(&[&[strategy], further].concat()).unwrap())
}

/// Every strategy that has one; the baselines have none.
fn with_a_strategy() -> Vec<String> {
    let named = |name: &&str| !matches!(*name, "none" | "unlimited");
    strategies().into_iter().filter(named).map(|name| format!("context.strategy={name}")).collect()
}

/// Which strategies decided, one after the other.
fn deciders(events: &[Event]) -> Vec<&str> {
    let mut deciders = Vec::new();
    for event in events {
        if let Event::Overflow { strategy, .. } = event
            && deciders.last() != Some(&strategy.as_str())
        {
            deciders.push(strategy.as_str());
        }
    }
    deciders
}

#[test]
fn any_strategy_takes_over_from_any_other_and_the_trace_stays_lawful() {
    // An early summary is begun by many of the changes' times, and is dropped then.
    let early = ["context.summarize_and_drop.summarize_at=0.3", "context.max_seq_len=400"];
    let detects = ["stream.talk=on_transition", "stream.on_transition.substep_source=model"];
    let further = [&early[..], &detects[..]].concat();
    for (number, from) in with_a_strategy().iter().enumerate() {
        for to in &with_a_strategy() {
            let changes_at = 40 + number * 3;
            let settings = small_settings(&[&[from.as_str()], &further[..]].concat()).unwrap();
            let mut model = FakeModel::new(400, 9, &[3, 1], 12);
            let mut session = session(&model, &settings, &Guidance::default()).unwrap();
            let before = rule(&settings);
            let mut events = vec![started(before.name())];
            for index in 0..120 {
                if index == changes_at {
                    let after = rule_of(to, &further);
                    let changed = Map::from_iter([("context.strategy".to_owned(), json!(after.name()))]);
                    session.adjust(Some(after), changed, None).unwrap();
                    model.serve(&mut session, std::time::Instant::now()).unwrap();
                }
                model.frame(&mut session, frame(index)).unwrap();
                events.extend(session.take_events());
            }
            session.finish(None);
            events.extend(session.take_events());
            assert_eq!(broken_laws(&events), Vec::<String>::new(), "{from} {to}");
            let names = [before.name().to_owned(), rule_of(to, &further).name().to_owned()];
            let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
            expected.dedup();
            assert_eq!(deciders(&events), expected);
        }
    }
}

#[test]
fn what_cannot_take_over_is_refused_and_nothing_changes() {
    let small = settings(&[
        "context.strategy=drop_all",
        "stream.system_prompt=Help.",
        "context.max_seq_len=120",
        "context.reserved_seq_len=10",
        "generation.max_new_tokens=8",
    ]);
    let mut model = FakeModel::new(120, 8, &[1], 1);
    let mut session = session(&model, &small, &Guidance::default()).unwrap();
    model.frame(&mut session, frame(0)).unwrap();
    session.take_events();
    let refusal = |rule: &OverflowRule| match session.check_rule(rule) {
        Err(SessionError::UnlawfulChange { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&rule_of("context.strategy=none", &[])), UnlawfulChange::Baseline);
    let preserved = rule_of("context.strategy=drop_middle", &["context.drop_middle.positions=preserve"]);
    assert!(matches!(refusal(&preserved), UnlawfulChange::Positions { .. }));
    let long =
        rule_of("context.strategy=summarize_and_drop", &["context.summarize_and_drop.max_summary_len=110"]);
    assert!(matches!(refusal(&long), UnlawfulChange::NoRoom { .. }));
    let of_steps = session.check_rule(&rule_of("context.strategy=summarize_with_dst", &[])).unwrap_err();
    assert!(matches!(of_steps, SessionError::MissingDialogueState { .. }));
    session.frame(frame(1), NOW).unwrap();
    let amid = session.adjust(None, Map::new(), None).unwrap_err();
    assert!(matches!(amid, SessionError::OutOfTurn { .. }), "{amid}");
    assert_eq!(session.take_events(), []);
}

#[test]
fn the_trace_tells_the_change_and_the_budget_that_follows() {
    let small = small_settings(&["context.strategy=drop_all", "context.max_seq_len=400"]).unwrap();
    let model = FakeModel::new(400, 8, &[1], 1);
    let mut session = session(&model, &small, &Guidance::default()).unwrap();
    session.take_events();
    let threshold = Map::from_iter([("stream.not_talk_threshold".to_owned(), json!(0.5))]);
    session.adjust(None, threshold.clone(), None).unwrap();
    let told = Event::SettingsChanged { settings: threshold, strategy: "drop_all".to_owned() };
    assert_eq!(session.take_events(), [told]);
    session.adjust(Some(rule_of("context.strategy=summarize_and_drop", &[])), Map::new(), None).unwrap();
    let events = session.take_events();
    let [Event::SettingsChanged { strategy, .. }, Event::Budget { max_summary_tokens, .. }] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(strategy, "summarize_and_drop");
    assert!(*max_summary_tokens > 0);
}
