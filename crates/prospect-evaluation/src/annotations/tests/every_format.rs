//! Finding, converting and damaging files.

use proptest::prelude::*;

use super::*;

#[test]
fn the_file_beside_a_video() {
    let folder = tempfile::tempdir().unwrap();
    let (video, table, own) =
        (folder.path().join("a.mp4"), folder.path().join("a.tsv"), folder.path().join("a.json"));
    assert_eq!(Annotations::beside(&video), None);
    std::fs::write(&table, TEA_TSV).unwrap();
    assert_eq!(Annotations::beside(&video).as_ref(), Some(&table));
    assert_eq!(Annotations::from_file(&table).unwrap().substeps.len(), 4);
    std::fs::write(&own, TEA).unwrap();
    assert_eq!(Annotations::beside(&video).as_ref(), Some(&own));
    assert_eq!(Annotations::from_file(&own).unwrap().messages.len(), 5);
    assert_eq!((Annotations::beside(&own), Annotations::beside(&table)), (None, None));
    let choice = Choice { user_type: Some("no_talk".to_owned()), ..Choice::default() };
    let refused = Annotations::from_file_choosing(&own, &choice).unwrap_err();
    assert!(matches!(refused, AnnotationsError::NothingToChoose { .. }));
    let missing = Annotations::from_file(&folder.path().join("b.json")).unwrap_err();
    assert!(matches!(missing, AnnotationsError::Unreadable { .. }));
    std::fs::write(&own, b"\xff").unwrap();
    let binary = Annotations::from_file(&own).unwrap_err().to_string();
    assert!(binary.contains("cannot be read: ") && !binary.contains('\n'), "{binary}");
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let tea = json(TEA).unwrap();
    assert_eq!(Format::Prospect.lost(&tea), [""; 0]);
    assert_eq!(Format::ProAssist.lost(&tea), [""; 0]);
    let all = ["the frame rate", "the system prompt", "the task knowledge", "the messages"];
    assert_eq!(Format::Dst.lost(&tea), all);
    assert_eq!(Format::Dst.lost(&tsv(TEA_TSV).unwrap()), [""; 0]);
    let message = Message::new(1.0, Speaker::System, "Task knowledge: tea");
    let odd = Annotations { messages: vec![message], ..Annotations::default() };
    assert_eq!(Format::ProAssist.lost(&odd).len(), 1);
    let answer = Message { evidence: Some(0.5), ..Message::new(1.0, Speaker::Assistant, "Left.") };
    let shown = Annotations { messages: vec![answer], ..Annotations::default() };
    assert_eq!(Format::ProAssist.lost(&shown), ["the times of evidence"]);
    assert_eq!(Format::ALL.map(Format::name), ["prospect", "proassist", "dst"]);
}

#[test]
fn what_no_file_may_hold_is_not_written() {
    let mut tea = json(TEA).unwrap();
    tea.messages[0].time = f64::NAN;
    for format in Format::ALL {
        assert_eq!(
            format.write(&tea).unwrap_err().to_string(),
            "annotations to be written: messages[0].time is NaN, expected seconds, at least 0"
        );
    }
}

/// A time to the millisecond: what JSON and a table give back exactly.
fn time() -> impl Strategy<Value = f64> {
    (0..10_000_000_u32).prop_map(|milliseconds| f64::from(milliseconds) / 1000.0)
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let role = prop_oneof![Just(Speaker::System), Just(Speaker::User), Just(Speaker::Assistant)];
    let message = (time(), role, any::<String>(), prop::option::weighted(0.1, time()));
    let message = message
        .prop_map(|(time, role, text, evidence)| Message { evidence, ..Message::new(time, role, text) });
    prop::collection::vec(message, 0..8).prop_map(|mut messages| {
        messages.sort_by(|a, b| a.time.total_cmp(&b.time));
        messages
    })
}

/// Entries of one level that take at least `least` milliseconds.
fn entries(least: u32) -> impl Strategy<Value = Vec<Substep>> {
    let seconds = |milliseconds| f64::from(milliseconds) / 1000.0;
    let name = "[a-zäß\"\\\\][^\t\r\n]{0,9}";
    let entry = (name, 0..10_000_000_u32, least..90_000).prop_map(move |(name, start, length)| Substep {
        name,
        start: seconds(start),
        end: seconds(start + length),
    });
    prop::collection::vec(entry, 0..6).prop_map(|mut entries| {
        entries.sort_by(|a, b| a.start.total_cmp(&b.start));
        entries
    })
}

/// Annotations as a reader gives them.
fn annotations() -> impl Strategy<Value = Annotations> {
    let texts = (prop::option::of("(?s).{1,9}"), prop::option::of("(?s).{1,9}"));
    let rate = prop::option::of((1..600_u32).prop_map(|tenths| f64::from(tenths) / 10.0));
    (rate, texts, messages(), entries(1), entries(1), entries(0)).prop_map(
        |(fps, (system_prompt, task_knowledge), messages, steps, substeps, actions)| {
            let substeps = if substeps.is_empty() { steps.clone() } else { substeps };
            Annotations { fps, system_prompt, task_knowledge, messages, steps, substeps, actions }
        },
    )
}

/// A file of each format with some bytes replaced, or cut off.
fn damaged(good: &str, damage: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> String {
    let mut bytes = good.as_bytes().to_vec();
    for (at, byte) in damage {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn our_own_format_holds_everything(annotations in annotations()) {
        let text = Format::Prospect.write(&annotations).unwrap();
        prop_assert_eq!(json(&text).unwrap(), annotations);
    }

    #[test]
    fn proassist_holds_everything_it_does_not_call_lost(annotations in annotations()) {
        let text = Format::ProAssist.write(&annotations).unwrap();
        let read = json(&text).unwrap();
        if Format::ProAssist.lost(&annotations).is_empty() {
            prop_assert_eq!(&read, &annotations);
        }
        // What was read from ProAssist's format goes through ours and back unchanged.
        let own = json(&Format::Prospect.write(&read).unwrap()).unwrap();
        prop_assert_eq!(json(&Format::ProAssist.write(&own).unwrap()).unwrap(), read);
    }

    #[test]
    fn a_conversation_keeps_its_messages_and_times(said in messages()) {
        let said = said.into_iter().filter(|message| message.role != Speaker::System);
        let said: Vec<Message> = said.map(|message| Message { evidence: None, ..message }).collect();
        let turn = |message: &Message| serde_json::json!({
            "role": message.role, "time": message.time, "content": message.text, "labels": "initiative|other",
        });
        let turns: Vec<_> = said.iter().map(turn).collect();
        let video = serde_json::json!({"inferred_knowledge": "", "conversations": [{"conversation": turns}]});
        let read = json(&video.to_string()).unwrap();
        prop_assert_eq!(&read.messages, &said);
        let own = json(&Format::Prospect.write(&read).unwrap()).unwrap();
        prop_assert_eq!(json(&Format::ProAssist.write(&own).unwrap()).unwrap().messages, said);
    }

    #[test]
    fn a_table_keeps_its_rows(annotations in annotations()) {
        let table = Format::Dst.write(&annotations).unwrap();
        let read = tsv(&table).unwrap();
        prop_assert_eq!(
            (&read.steps, &read.substeps, &read.actions),
            (&annotations.steps, &annotations.substeps, &annotations.actions)
        );
        let own = json(&Format::Prospect.write(&read).unwrap()).unwrap();
        prop_assert_eq!(Format::Dst.write(&own).unwrap(), table);
    }

    #[test]
    fn damaged_files_are_refused_in_one_line(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (good, parse) in [(TEA, json as fn(&str) -> _), (TEA_PROASSIST, json), (TEA_PREPARED, json), (TEA_TSV, tsv)] {
            if let Err(error) = parse(&damaged(good, &damage, cut)) {
                prop_assert!(is_one_line(&error), "{}", error);
            }
        }
    }
}
