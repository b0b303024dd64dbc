//! What holds for every strategy on every stream.

mod common;

use std::collections::BTreeSet;

use proptest::prelude::*;
use prospect_context::simulator::{
    Simulation, Simulator, SimulatorError, SimulatorOptions, StreamParameters, StreamStep, TokensByKind,
    table,
};
use prospect_context::{Budget, ContextStrategy, DialogueState, Trigger};

use common::strategies;

const ROOMY: Budget =
    Budget { max_seq_len: 500, reserved_seq_len: 60, max_reply_tokens: 40, max_summary_tokens: 0 };

fn simulate(
    strategy: &dyn ContextStrategy,
    budget: Budget,
    stream: impl Iterator<Item = StreamStep>,
) -> Result<Simulation, SimulatorError> {
    let state = DialogueState::default();
    let options = SimulatorOptions {
        summary_tokens: 20,
        dialogue_state: Some(&state),
        ..SimulatorOptions::new(budget)
    };
    Simulator::new(strategy, options).run(stream)
}

/// The tokens of the cache after each step, counted from what came in and what evictions left and put back.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check(simulation: &Simulation, budget: Budget, told: &BTreeSet<u32>) {
    let name = &simulation.strategy;
    assert!(simulation.peak_cache_tokens <= budget.max_seq_len, "{name}");
    assert!(simulation.steps.iter().all(|step| step.cache_tokens <= simulation.peak_cache_tokens), "{name}");
    let last = simulation.steps.last().map_or(0, |step| step.cache_tokens);
    assert_eq!(simulation.in_cache.total(), last, "{name}");
    for kind in TokensByKind::KINDS {
        let (survived, came_in) = (simulation.survived.of(kind), simulation.came_in.of(kind));
        assert!(survived <= came_in && survived <= simulation.in_cache.of(kind), "{name}: {kind}");
    }
    let (mut price, mut dropped) = (0, 0);
    for eviction in &simulation.evictions {
        let kept: usize = eviction.kept.iter().map(ExactSizeIterator::len).sum();
        assert_eq!(eviction.kept_tokens.total(), kept, "{name}");
        assert_eq!(kept + eviction.evicted_tokens.total(), eviction.tokens_before, "{name}");
        price += eviction.reprefilled;
        dropped += eviction.evicted_tokens.total();
        assert_eq!(eviction.reprefilled_total, price, "{name}");
    }
    assert_eq!(simulation.reprefilled(), price, "{name}");
    // What an eviction after the last frame put back is not in yet.
    let came = simulation.came_in.total() + simulation.put_back.total();
    let waits = came.checked_sub(dropped + last).unwrap();
    assert!(waits == 0 || waits <= simulation.put_back.total(), "{name}: {waits}");

    let [cached, summed, lost] = [
        simulation.facts_in_cache().collect::<BTreeSet<_>>(),
        simulation.facts_in_summaries().collect(),
        simulation.facts_lost().collect(),
    ];
    assert!(cached.is_disjoint(&summed) && cached.is_disjoint(&lost) && summed.is_disjoint(&lost));
    let all: BTreeSet<u32> = cached.iter().chain(&summed).chain(&lost).copied().collect();
    assert_eq!(&all, told, "{name}");
}

fn facts(stream: impl Iterator<Item = StreamStep>) -> BTreeSet<u32> {
    stream.flat_map(|step| step.segments().filter_map(|it| it.fact).collect::<Vec<_>>()).collect()
}

#[test]
fn every_strategy_carries_a_long_stream() {
    let parameters = StreamParameters {
        frames: 3_000,
        frame_tokens: 9,
        system_tokens: 20,
        reply_every: 15,
        request_every: 400,
        fact_every: 7,
        ..StreamParameters::default()
    };
    let told = facts(parameters.stream());
    assert_eq!(told.len(), 3_000 / 7);
    let mut simulations = Vec::new();
    for strategy in strategies() {
        let simulation = simulate(strategy.as_ref(), ROOMY, parameters.stream()).unwrap();
        assert_eq!(simulation, simulate(strategy.as_ref(), ROOMY, parameters.stream()).unwrap());
        check(&simulation, ROOMY, &told);
        assert!(simulation.evictions.len() > 5, "{}", strategy.name());
        if strategy.max_summary_tokens(&prospect_context::simulator::WordCounter) > 0 {
            assert_eq!(simulation.facts_lost().count(), 0, "{}: a perfect summary", strategy.name());
        }
        simulations.push(simulation);
    }
    let table = table(&simulations);
    let mut lines = table.lines().map(|line| line.chars().count());
    let width = lines.next().unwrap();
    assert!(lines.all(|line| line == width), "{table}");
    let shown = simulations[1].to_string();
    assert!(shown.contains("drop_middle: 3000 steps") && shown.contains("came in"), "{shown}");
}

#[test]
fn an_early_summary_spares_the_wait() {
    let parameters = StreamParameters { frames: 2_000, frame_tokens: 9, ..StreamParameters::default() };
    let waits = strategies()
        .into_iter()
        .filter(|it| it.name() == "summarize_and_drop")
        .map(|strategy| simulate(strategy.as_ref(), ROOMY, parameters.stream()).unwrap().longest_wait());
    // At the overflow; begun at once, so that all that came in since is kept and the next overflow is near; begun at 80%;
    // ProAssist's.
    assert_eq!(waits.collect::<Vec<_>>(), [20, 16, 0, 20]);
}

fn parameters() -> impl Strategy<Value = StreamParameters> {
    let rhythms = (0usize..30, 0usize..50, 0usize..20, 0usize..10);
    let lengths = (0usize..40, 0usize..30, 0usize..30, 0usize..20);
    (0usize..300, rhythms, lengths, any::<u64>()).prop_map(|(frames, rhythms, lengths, seed)| {
        let (reply_every, request_every, scene_frames, fact_every) = rhythms;
        let (frame_tokens, system_tokens, reply_tokens, request_tokens) = lengths;
        StreamParameters {
            frames,
            fps: 2.0,
            frame_tokens,
            system_tokens,
            reply_every,
            reply_tokens,
            request_every,
            request_tokens,
            scene_frames,
            fact_every,
            seed,
        }
    })
}

fn budget() -> impl Strategy<Value = Budget> {
    (1usize..1_000, 0usize..200, 0usize..50).prop_map(|(max_seq_len, reserved_seq_len, max_reply_tokens)| {
        Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens: 0 }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_stream_comes_through_or_ends_with_a_reason(parameters in parameters(), budget in budget()) {
        let told = facts(parameters.stream());
        for strategy in strategies() {
            let simulation = simulate(strategy.as_ref(), budget, parameters.stream());
            prop_assert_eq!(&simulation, &simulate(strategy.as_ref(), budget, parameters.stream()));
            if let Ok(simulation) = simulation {
                prop_assert_eq!(simulation.steps.len(), parameters.frames);
                check(&simulation, budget, &told);
            }
        }
    }

    #[test]
    fn the_first_eviction_comes_exactly_when_the_budget_says(parameters in parameters(), budget in budget()) {
        for strategy in strategies() {
            let counter = prospect_context::simulator::WordCounter;
            let budget = Budget { max_summary_tokens: strategy.max_summary_tokens(&counter), ..budget };
            let state = DialogueState::default();
            let options = SimulatorOptions { dialogue_state: Some(&state), ..SimulatorOptions::new(budget) };
            let mut simulator = Simulator::new(strategy.as_ref(), options);
            let (mut cache_tokens, mut pending) = (0, 0);
            for step in parameters.stream() {
                let incoming = pending + step.chunk_tokens();
                let before = budget.overflows(cache_tokens, incoming).is_some() && cache_tokens > 0;
                let Ok(eviction) = simulator.push(&step) else { break };
                pending = step.waiting.map_or(0, |waiting| waiting.tokens);
                let room = (budget.max_seq_len - (cache_tokens + incoming).min(budget.max_seq_len))
                    .min(budget.max_reply_tokens.saturating_sub(pending));
                let reply: usize = step.reply.iter().map(|segment| segment.tokens).sum();
                cache_tokens += incoming + reply.min(room);
                let expected = match strategy.trigger() {
                    Trigger::BeforeChunk => before,
                    Trigger::AfterFrame => budget.reserve_is_touched(cache_tokens),
                };
                prop_assert_eq!(eviction.is_some(), expected, "{}", strategy.name());
                if expected {
                    break;
                }
                prop_assert_eq!(simulator.ledger().tokens(), cache_tokens);
            }
        }
    }
}
