//! What a simulation costs: steps a second for each strategy, and how the time of a plan grows with the cache.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prospect_context::catalogue::{ParameterKind, StrategyDescription};
use prospect_context::simulator::{Simulator, SimulatorOptions, StreamParameters, StreamStep, WordCounter};
use prospect_context::strategies::{BUILT_IN, DropAll, proassist};
use prospect_context::{
    Budget, CacheView, ContextStrategy, DialogueState, Ledger, Opening, SegmentKind, Signals,
};

const STEPS: usize = 100_000;
const FRAME_TOKENS: usize = 16;

/// Every built-in strategy; those that keep something keep half of a cache of `max_seq_len` tokens.
fn strategies(max_seq_len: usize) -> Vec<(String, Box<dyn ContextStrategy>)> {
    let example = |strategy: &StrategyDescription| strategy.example(max_seq_len / 2, 64);
    let built = |strategy: &StrategyDescription| strategy.build(&example(strategy)).unwrap();
    let mut strategies = Vec::new();
    for strategy in BUILT_IN {
        strategies.push((strategy.name.to_owned(), built(strategy)));
        for early in strategy.parameters.iter().filter(|parameter| parameter.kind == ParameterKind::Share) {
            let values = example(strategy).with(early.name, 0.8);
            strategies.push((format!("{} at 0.8", strategy.name), strategy.build(&values).unwrap()));
        }
    }
    for variant in proassist::VARIANTS {
        strategies.push((format!("proassist {}", variant.strategy.name), built(&variant.strategy)));
    }
    strategies
}

fn parameters() -> StreamParameters {
    StreamParameters { frames: STEPS, frame_tokens: FRAME_TOKENS, ..StreamParameters::default() }
}

fn budget(max_seq_len: usize) -> Budget {
    Budget { max_seq_len, reserved_seq_len: 256, max_reply_tokens: 64, max_summary_tokens: 0 }
}

/// A stream made up while it is simulated.
fn generated(criterion: &mut Criterion) {
    let state = DialogueState::default();
    for max_seq_len in [4_096, 131_072] {
        let mut group = criterion.benchmark_group(format!("generated steps, {max_seq_len} tokens"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(300));
        group.throughput(Throughput::Elements(STEPS as u64));
        let options =
            SimulatorOptions { dialogue_state: Some(&state), ..SimulatorOptions::new(budget(max_seq_len)) };
        for (name, strategy) in strategies(max_seq_len) {
            group.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    let simulator = Simulator::new(strategy.as_ref(), options);
                    black_box(simulator.run(parameters().stream()).unwrap())
                });
            });
        }
        group.finish();
    }
}

/// A stream that is there, under a strategy that costs next to nothing: the loop alone.
fn given(criterion: &mut Criterion) {
    let steps: Vec<StreamStep> = parameters().stream().collect();
    let mut group = criterion.benchmark_group("given steps, 131072 tokens");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    group.throughput(Throughput::Elements(STEPS as u64));
    group.bench_function("drop_all", |bencher| {
        bencher.iter(|| {
            black_box(Simulator::new(&DropAll, SimulatorOptions::new(budget(131_072))).run(&steps).unwrap())
        });
    });
    group.finish();
}

fn ledger(segments: usize) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 60, 0.0, true);
    for index in 1..segments {
        let time = index as f64 / 2.0;
        match index % 20 {
            19 => ledger.append(SegmentKind::Assistant, FRAME_TOKENS, time, false),
            similar => {
                let similarity = 0.9 + (similar * 7 % 19) as f64 / 200.0;
                ledger.append_frame(FRAME_TOKENS, time, false, Some(similarity));
            }
        }
    }
    ledger
}

fn plan(criterion: &mut Criterion) {
    let state = DialogueState::default();
    let names = strategies(0).into_iter().map(|(name, _)| name).enumerate();
    for (number, name) in names {
        let mut group = criterion.benchmark_group(format!("plan, {name}"));
        group.sample_size(20).measurement_time(Duration::from_millis(500));
        group.warm_up_time(Duration::from_millis(200));
        for segments in [250, 1_000, 4_000, 16_000] {
            let ledger = ledger(segments);
            let (_, strategy) = strategies(ledger.tokens()).swap_remove(number);
            let view = CacheView {
                segments: ledger.segments(),
                budget: budget(ledger.tokens() + 256),
                incoming: FRAME_TOKENS + 1,
                pending: 1,
                time: segments as f64 / 2.0,
                opening: Opening { system_prompt: "Help.", task_knowledge: None },
                initial_tokens: Some(80),
                dialogue_state: Some(&state),
                token_counter: &WordCounter,
                signals: Signals::default().with_frame_similarity(ledger.frame_similarity()),
                early_summary: None,
            };
            group.bench_function(BenchmarkId::from_parameter(segments), |bencher| {
                bencher.iter(|| black_box(strategy.plan(black_box(&view)).unwrap()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, given, generated, plan);
criterion_main!(benches);
