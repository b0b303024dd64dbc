//! A reply that a person cuts short: the stream goes on as if the reply could have had no more words.

use std::time::Instant;

use proptest::prelude::*;

use super::bounds::guidance;
use super::driver::{FakeModel, frame, session};
use crate::fake::{TALKS, small_settings, started, strategies};
use crate::{Event, Work, broken_laws};

const FRAMES: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_reply_that_is_cut_keeps_every_law(
        strategy in prop::sample::select(strategies()),
        talk in prop::sample::select(&TALKS[..]),
        max_seq_len in 300usize..500,
        slice in 1usize..5,
        step_frames in 1usize..20,
        tells in any::<bool>(),
        patience in prop::collection::vec(0usize..6, 1..8),
    ) {
        let mut model = FakeModel { slice, ..FakeModel::new(max_seq_len, 8, &[14, 1, 9], 9) };
        let sets = [
            format!("context.strategy={strategy}"),
            format!("stream.talk={talk}"),
            format!("context.max_seq_len={max_seq_len}"),
            "stream.on_transition.dialogue_prompt={curr_substep}".to_owned(),
            "stream.on_transition.substep_source=model".to_owned(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let settings = small_settings(&sets).unwrap();
        let mut session = session(&model, &settings, &guidance(step_frames, false)).unwrap();
        if tells {
            session.tell_words();
        }
        let (mut events, mut cut) = (vec![started(strategy)], 0);
        for index in 0..FRAMES {
            let began = Instant::now();
            let mut over = session.frame(frame(index), began.elapsed()).unwrap();
            let (mut words, mut patience) = (String::new(), patience[index % patience.len()]);
            while let Some(work) = session.next_work() {
                let may_be_cut = work == Work::Decode && patience == 0;
                patience = patience.saturating_sub(usize::from(work == Work::Decode));
                over = match may_be_cut.then(|| session.cut_reply(began.elapsed())).flatten() {
                    Some(next) => {
                        cut += 1;
                        model.cache.cut_reply();
                        next.unwrap()
                    }
                    None => match model.cache.perform(&model.script, work, slice) {
                        Some(done) => session.done(done, began.elapsed()).unwrap(),
                        None => over,
                    },
                };
                words.extend(session.take_words().map(|words| words.text));
            }
            prop_assert!(session.is_idle());
            prop_assert_eq!(session.cache_tokens(), model.cache.ids.len(), "frame {}", index);
            if let Some(reply) = over.unwrap().reply {
                prop_assert!(!tells || reply.text == words);
            }
            prop_assert!(session.cut_reply(began.elapsed()).is_none(), "nothing is said between two frames");
        }
        session.finish(None);
        events.extend(session.take_events());
        prop_assert_eq!(broken_laws(&events), Vec::<String>::new());
        let shortest = |event: &Event| match event {
            Event::Reply { token_ids, .. } => token_ids.len(),
            _ => usize::MAX,
        };
        let shortest = events.iter().map(shortest).min();
        prop_assert!(cut == 0 || shortest.is_some_and(|tokens| tokens < 14), "{:?}", shortest);
    }
}
