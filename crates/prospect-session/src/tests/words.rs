//! A reply's words as they come are its text, and change nothing.

use std::time::Instant;

use proptest::prelude::*;

use super::driver::{FakeModel, frame, session};
use crate::fake::{TALKS, small_settings, steps, strategies, without_measurements};
use crate::{Guidance, Language, Reply, Words};

const FRAMES: usize = 40;

/// The trace, the replies and the words of a stream.
fn streamed(sets: &[&str], slice: usize, tells: bool) -> (Vec<String>, Vec<Reply>, Vec<Words>) {
    let mut model = FakeModel { slice, ..FakeModel::new(400, 8, &[1, 9, 3, 1, 30], 5) };
    let roomy = ["context.max_seq_len=400", "stream.on_transition.dialogue_prompt={curr_substep}"];
    let settings = small_settings(&[&roomy[..], sets].concat()).unwrap();
    let guidance = Guidance { steps: steps(6), ..Guidance::default() };
    let mut session = session(&model, &settings, &guidance).unwrap();
    if tells {
        session.tell_words();
    }
    let (mut replies, mut words) = (Vec::new(), Vec::new());
    for index in 0..FRAMES {
        let began = Instant::now();
        let mut over = session.frame(frame(index), began.elapsed()).unwrap();
        while let Some(work) = session.next_work() {
            let waits = work.has_result();
            if let Some(done) = model.cache.perform(&model.script, work, model.slice) {
                assert!(waits);
                over = session.done(done, began.elapsed()).unwrap();
                words.extend(session.take_words());
            }
        }
        replies.extend(over.unwrap().reply);
    }
    session.finish(None);
    let events = session.take_events().iter().map(without_measurements).collect();
    (events, replies, words)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn words_are_the_text_of_their_reply_and_change_no_trace(
        strategy in prop::sample::select(strategies()),
        talk in prop::sample::select(&TALKS[..]),
        slice in 1usize..12,
    ) {
        let sets = [format!("context.strategy={strategy}"), format!("stream.talk={talk}")];
        let sets = [&*sets[0], &sets[1]];
        let (silent_trace, _, no_words) = streamed(&sets, slice, false);
        let (trace, replies, words) = streamed(&sets, slice, true);
        prop_assert_eq!(trace, silent_trace);
        prop_assert!(no_words.is_empty());
        for reply in &replies {
            let of_reply = words.iter().filter(|words| words.frame == reply.frame);
            let pieces: Vec<&str> = of_reply.map(|words| words.text.as_str()).collect();
            prop_assert_eq!(pieces.concat(), reply.text.as_str());
            prop_assert!(pieces.len() >= reply.text.len().div_ceil(slice));
        }
        let told = words.iter().all(|words| replies.iter().any(|reply| reply.frame == words.frame));
        prop_assert!(told, "silence has no words");
    }
}

#[test]
fn a_character_is_told_when_it_is_whole() {
    /// Of every id its low byte.
    struct Bytes;

    impl Language for Bytes {
        fn encode_message(
            &self,
            _: prospect_context::Role,
            _: &str,
            _: bool,
        ) -> Result<prospect_context::Encoded, crate::LanguageError> {
            Err("is not asked".into())
        }

        fn encode_generation_prompt(&self) -> Result<prospect_context::Encoded, crate::LanguageError> {
            Err("is not asked".into())
        }

        fn encode_frame(&self, _: Option<f64>) -> Result<prospect_context::Encoded, crate::LanguageError> {
            Err("is not asked".into())
        }

        fn encode_text(&self, text: &str) -> Result<Vec<u32>, crate::LanguageError> {
            Ok(text.bytes().map(u32::from).collect())
        }

        fn clean_reply(&self, ids: &[u32]) -> Result<String, crate::LanguageError> {
            let bytes: Vec<u8> = ids.iter().map(|&id| id as u8).collect();
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        }

        fn end_of_utterance(&self) -> u32 {
            0
        }
    }

    let whole = "Die Säge,  \u{1f6e0} dann";
    let ids = Bytes.encode_text(whole).unwrap();
    let mut telling = crate::words::Telling::default();
    let mut pieces = Vec::new();
    for length in 1..=ids.len() {
        telling.hear(0, &Bytes.clean_reply_so_far(&ids[..length]).unwrap());
        pieces.extend(telling.take().map(|words| words.text));
    }
    assert_eq!(pieces.concat(), whole);
    assert!(pieces.iter().all(|piece| !piece.contains(char::REPLACEMENT_CHARACTER)), "{pieces:?}");
    assert!(pieces.contains(&"ä".to_owned()) && pieces.contains(&"  \u{1f6e0}".to_owned()), "{pieces:?}");
}
