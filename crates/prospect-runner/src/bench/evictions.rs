//! Measures evictions: the plan of each strategy, carried out on a full cache under each position
//! policy.

use prospect_config::{ExceedContextHandling, Layers};
use prospect_context::simulator::{Simulator, SimulatorOptions, StreamSegment, StreamStep};
use prospect_context::{Budget, ContextStrategy, DialogueState, PositionPolicy, SegmentKind};
use prospect_model::{CacheTail, Embeddings, EvictionPiece, KvCache, SmolVlm};
use serde::Serialize;

use super::Progress;
use super::stages::{fill, frame_tokens, times, word_ids};
use crate::error::RunError;
use crate::strategies::Registry;
use prospect_session::OverflowRule;

/// Measurement of one strategy under one position policy.
#[derive(Debug, Clone, Serialize)]
pub struct MeasuredEviction {
    /// Name of the strategy.
    pub strategy: String,
    /// Name of the position policy.
    pub positions: &'static str,
    /// Number of tokens in the cache before the eviction.
    pub tokens_before: usize,
    /// Number of kept tokens.
    pub kept: usize,
    /// Number of inserted tokens, which are prefilled. The tokens of a summary count; generating the
    /// summary is not measured.
    pub put_back: usize,
    /// Median of the runs, in milliseconds.
    pub median_ms: f64,
}

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Rerotate, PositionPolicy::Preserve, PositionPolicy::Legacy, PositionPolicy::Recompute];

/// Measures every built-in strategy that evicts, with a budget of `budget` tokens. A strategy that
/// keeps nothing is measured only once, because positions do not matter to it.
///
/// # Errors
/// The model fails.
pub fn measure_evictions(
    model: &SmolVlm,
    budget: usize,
    repeats: usize,
    progress: &mut Progress<'_>,
) -> Result<Vec<MeasuredEviction>, RunError> {
    let strategies = strategies()?;
    let overflows =
        strategies.iter().map(|strategy| overflow(strategy.as_ref(), frame_tokens(model), budget));
    let overflows = overflows.collect::<Result<Vec<_>, _>>()?;
    progress("evictions: filling the cache");
    let full = Full::new(model, overflows.iter().map(|overflow| overflow.tokens_before).max().unwrap_or(0))?;
    let mut measured = Vec::new();
    for overflow in &overflows {
        let policies = if overflow.kept == 0 { &POLICIES[..1] } else { &POLICIES };
        for &policy in policies {
            progress(&format!("evictions: {}, {}", overflow.strategy, policy.as_str()));
            measured.push(overflow.measure(model, &full, policy, repeats)?);
        }
    }
    Ok(measured)
}

/// The contents of a full cache. They are computed once, because that takes far longer than any
/// eviction.
struct Full {
    /// The tail from slot 0, including the input embeddings, which only [`PositionPolicy::Recompute`]
    /// needs.
    tokens: CacheTail,
}

impl Full {
    fn new(model: &SmolVlm, tokens: usize) -> Result<Self, RunError> {
        let mut cache = model.new_cache(tokens, PositionPolicy::Recompute)?;
        fill(model, &mut cache, tokens)?;
        Ok(Self { tokens: cache.take_tail(0)? })
    }

    /// Fills a cache with the first `tokens` tokens and nothing else.
    fn put_into(&self, cache: &mut KvCache, tokens: usize) -> Result<(), RunError> {
        cache.truncate(0);
        cache.put_tail(&self.tokens)?;
        cache.truncate(tokens);
        Ok(())
    }
}

fn strategies() -> Result<Vec<Box<dyn ContextStrategy>>, RunError> {
    let registry = Registry::default();
    let mut strategies = Vec::new();
    for name in ExceedContextHandling::built_in() {
        let settings = Layers::new().flag("bench", "context.strategy", name)?.resolve()?;
        if let OverflowRule::Strategy(strategy) = registry.overflow_rule(&settings.context)? {
            strategies.push(strategy);
        }
    }
    Ok(strategies)
}

/// The plan of one strategy for a full cache.
struct Overflow {
    strategy: String,
    tokens_before: usize,
    kept: usize,
    put_back: usize,
    /// Kept ranges, in the order of the plan. Inserted tokens follow.
    keep: Vec<std::ops::Range<usize>>,
}

/// Simulates silent frames until the cache is full, and returns the strategy's plan.
fn overflow(strategy: &dyn ContextStrategy, frame: usize, budget: usize) -> Result<Overflow, RunError> {
    let budget = Budget {
        max_seq_len: budget,
        reserved_seq_len: budget / 16,
        max_reply_tokens: budget / 32,
        max_summary_tokens: 0,
    };
    let state = DialogueState::default();
    let options = SimulatorOptions { dialogue_state: Some(&state), ..SimulatorOptions::new(budget) };
    let mut simulator = Simulator::new(strategy, options);
    for index in 0.. {
        let mut step = StreamStep::silent(index as f64, frame);
        if index == 0 {
            step.before.push(StreamSegment::new(SegmentKind::System, 32).pinned());
        }
        if let Some(eviction) = simulator.push(&step)? {
            return Ok(Overflow {
                strategy: strategy.name().to_owned(),
                tokens_before: eviction.tokens_before,
                kept: eviction.kept.iter().map(std::ops::Range::len).sum(),
                put_back: eviction.put_back.iter().map(|put_back| put_back.tokens).sum(),
                keep: eviction.kept,
            });
        }
    }
    unreachable!("frames fill every cache")
}

impl Overflow {
    fn measure(
        &self,
        model: &SmolVlm,
        full: &Full,
        policy: PositionPolicy,
        repeats: usize,
    ) -> Result<MeasuredEviction, RunError> {
        let mut pieces: Vec<EvictionPiece> = self.keep.iter().cloned().map(EvictionPiece::Keep).collect();
        if self.put_back > 0 {
            let put_back: Embeddings = model.embed_words(&word_ids(self.put_back))?;
            pieces.push(EvictionPiece::Tokens(put_back));
        }
        let mut cache: KvCache = model.new_cache(full.tokens.len(), policy)?;
        let prepare = |cache: &mut KvCache| full.put_into(cache, self.tokens_before);
        let times = times(model, repeats, &mut cache, prepare, |cache| {
            model.evict(cache, &pieces)?;
            Ok(())
        })?;
        Ok(MeasuredEviction {
            strategy: self.strategy.clone(),
            positions: policy.as_str(),
            tokens_before: self.tokens_before,
            kept: self.kept,
            put_back: self.put_back,
            median_ms: super::stages::median(&times),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::default_checkpoint;

    #[test]
    fn every_strategy_leaves_room_of_a_full_cache() {
        let strategies = strategies().unwrap();
        assert!(strategies.len() >= 8);
        for strategy in &strategies {
            let overflow = overflow(strategy.as_ref(), 80, 4096).unwrap();
            assert!(overflow.tokens_before > 3000, "{}", overflow.strategy);
            let after = overflow.kept + overflow.put_back;
            assert!(after > 0 && after < overflow.tokens_before, "{}: {after}", overflow.strategy);
        }
    }

    #[test]
    fn an_eviction_is_measured_on_a_full_cache() {
        let model = SmolVlm::load(&default_checkpoint().unwrap()).unwrap();
        let strategies = strategies().unwrap();
        let keeps = strategies.iter().find(|strategy| strategy.name() == "drop_middle").unwrap();
        let overflow = overflow(keeps.as_ref(), frame_tokens(&model), 4096).unwrap();
        let full = Full::new(&model, overflow.tokens_before + 7).unwrap();
        for policy in POLICIES {
            let measured = overflow.measure(&model, &full, policy, 1).unwrap();
            assert_eq!(
                (measured.positions, measured.tokens_before),
                (policy.as_str(), overflow.tokens_before)
            );
            assert!(measured.kept > 0 && measured.median_ms > 0.0);
        }
    }

    #[test]
    fn a_cache_is_full_again_with_what_was_in_it() {
        let model = SmolVlm::load(&default_checkpoint().unwrap()).unwrap();
        let full = Full::new(&model, 300).unwrap();
        let mut filled = model.new_cache(300, PositionPolicy::Rerotate).unwrap();
        fill(&model, &mut filled, 300).unwrap();
        let mut cache = model.new_cache(300, PositionPolicy::Rerotate).unwrap();
        full.put_into(&mut cache, 280).unwrap();
        model.evict(&mut cache, &[EvictionPiece::Keep(100..200)]).unwrap();
        full.put_into(&mut cache, 300).unwrap();
        assert_eq!(
            (cache.positions(), cache.keys(1).unwrap()),
            (filled.positions(), filled.keys(1).unwrap())
        );
    }
}
