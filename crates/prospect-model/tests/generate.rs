//! Generation: sampling as well as greedy, and the reasons for stopping.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::LazyLock;

use common::{OneShot, cache, load};
use prospect_context::PositionPolicy;
use prospect_model::{Generator, Sampling, SmolVlm, StopReason, TalkRule};

static MODEL: LazyLock<SmolVlm> = LazyLock::new(|| load("gqa-untied"));
static CASES: LazyLock<Vec<OneShot>> = LazyLock::new(|| OneShot::read("gqa-untied"));
const TOKENS: usize = 20;

fn generate(case: &OneShot, sampling: Sampling) -> Vec<u32> {
    let mut generator = Generator::new(u32::MAX, sampling);
    let (chunk, mut cache) = (case.chunk(&MODEL), cache(&MODEL));
    generator.generate(&MODEL, &chunk, &mut cache, None, TOKENS).unwrap().token_ids
}

#[test]
fn a_cold_temperature_is_greedy() {
    for case in CASES.iter() {
        let sampling = Sampling::Random { temperature: 1e-6, top_p: 1.0, seed: 11 };
        assert_eq!(generate(case, sampling), case.greedy_ids, "{}", case.name);
    }
}

#[test]
fn a_small_nucleus_is_greedy() {
    for case in CASES.iter() {
        let sampling = Sampling::Random { temperature: 1.0, top_p: 1e-6, seed: 11 };
        assert_eq!(generate(case, sampling), case.greedy_ids, "{}", case.name);
    }
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let sampling = |seed| Sampling::Random { temperature: 1.0, top_p: 0.95, seed };
    let case = &CASES[0];
    let ids = generate(case, sampling(7));
    assert_eq!(generate(case, sampling(7)), ids);
    assert_ne!(generate(case, sampling(8)), ids);
    assert_ne!(ids, case.greedy_ids);
}

#[test]
fn a_decision_is_not_drawn_at_random() {
    let case = &CASES[0];
    let end = case.greedy_ids[0];
    // Argmax is silent, because silence is the likeliest token. The threshold 1 never is, because no
    // probability exceeds 1.
    for (rule, silent) in [(TalkRule::Argmax, true), (TalkRule::Threshold(1.0), false)] {
        for seed in 0..50 {
            let sampling = Sampling::Random { temperature: 1.0, top_p: 1.0, seed };
            let mut generator = Generator::new(end, sampling);
            let (chunk, mut cache) = (case.chunk(&MODEL), cache(&MODEL));
            let reply = generator.generate(&MODEL, &chunk, &mut cache, Some(rule), 1).unwrap();
            assert_eq!(reply.token_ids == [end], silent, "seed {seed}");
        }
    }
}

#[test]
fn a_reply_ends_where_the_cache_does() {
    let case = &CASES[0];
    let mut cache = MODEL.new_cache(case.ids.len() + 4, PositionPolicy::Rerotate).unwrap();
    let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
    let reply = generator.generate(&MODEL, &case.chunk(&MODEL), &mut cache, None, TOKENS).unwrap();
    assert_eq!((reply.stop, &reply.token_ids[..]), (StopReason::CacheFull, &case.greedy_ids[..5]));
    assert_eq!(cache.len(), cache.capacity());
}

#[test]
fn a_reply_ends_at_its_bound_and_at_the_end_of_the_utterance() {
    let case = &CASES[0];
    let stop_at = |end, rule, most| {
        let mut generator = Generator::new(end, Sampling::Greedy);
        let (chunk, mut cache) = (case.chunk(&MODEL), cache(&MODEL));
        let reply = generator.generate(&MODEL, &chunk, &mut cache, rule, most).unwrap();
        (reply.stop, reply.token_ids.len(), cache.len() - case.ids.len())
    };
    let end = case.greedy_ids[3];
    assert!(!case.greedy_ids[..3].contains(&end));
    assert_eq!(stop_at(u32::MAX, None, 0), (StopReason::MaxNewTokens, 0, 0));
    assert_eq!(stop_at(u32::MAX, None, 3), (StopReason::MaxNewTokens, 3, 2));
    assert_eq!(stop_at(end, None, TOKENS), (StopReason::EndOfUtterance, 4, 3));
    assert_eq!(stop_at(case.greedy_ids[0], Some(TalkRule::Argmax), TOKENS), (StopReason::Silence, 1, 0));
    // Every probability exceeds a negative threshold, and none exceeds 1.
    assert_eq!(stop_at(end, Some(TalkRule::Threshold(-1.0)), TOKENS), (StopReason::Silence, 1, 0));
    assert_ne!(stop_at(end, Some(TalkRule::Threshold(1.0)), TOKENS).0, StopReason::Silence);
}
