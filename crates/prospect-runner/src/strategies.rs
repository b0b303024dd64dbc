//! From settings to the strategy that they name.

use prospect_config::{ContextRules, ContextSettings, ExceedContextHandling};
use prospect_context::strategies::{
    DropAll, DropMiddle, DropOldestFrames, Hybrid, Keyframes, SinkWindow, SummarizeAndDrop, SummarizeWithDst,
    proassist,
};
use prospect_context::{ContextStrategy, PositionPolicy};

use crate::error::RunError;
use crate::session::ContextRule;

/// What happens when the cache is full, as the settings say.
///
/// # Errors
/// [`RunError::UnknownStrategy`] for a custom strategy, of which this program has none.
pub fn context_rule(settings: &ContextSettings) -> Result<ContextRule, RunError> {
    let strategy = match (&settings.strategy, settings.rules) {
        (ExceedContextHandling::None, _) => return Ok(ContextRule::Stateless),
        (ExceedContextHandling::Unlimited, _) => return Ok(ContextRule::Unlimited),
        (strategy, ContextRules::Prospect) => own(strategy)?,
        (strategy, ContextRules::ProAssist) => of_proassist(strategy)?,
    };
    Ok(ContextRule::Strategy(strategy))
}

/// The position policy that the settings' strategy wants of the cache.
pub fn positions(settings: &ContextSettings) -> PositionPolicy {
    match &settings.strategy {
        ExceedContextHandling::DropMiddle { positions, .. }
        | ExceedContextHandling::SinkWindow { positions, .. } => policy(*positions),
        _ if settings.rules == ContextRules::ProAssist => PositionPolicy::Legacy,
        _ => PositionPolicy::default(),
    }
}

fn own(strategy: &ExceedContextHandling) -> Result<Box<dyn ContextStrategy>, RunError> {
    Ok(match strategy.clone() {
        ExceedContextHandling::DropMiddle { last_keep_len, positions } => {
            Box::new(DropMiddle { last_keep_len, positions: policy(positions) })
        }
        ExceedContextHandling::SinkWindow { n_sink, window, positions } => {
            Box::new(SinkWindow { n_sink, window, positions: policy(positions) })
        }
        ExceedContextHandling::SummarizeAndDrop {
            summary_prompt: prompt,
            max_summary_len,
            summarize_at,
            early_tokens_per_frame,
        } => Box::new(SummarizeAndDrop { prompt, max_summary_len, summarize_at, early_tokens_per_frame }),
        ExceedContextHandling::Hybrid {
            summary_prompt: prompt,
            max_summary_len,
            last_keep_len,
            positions,
        } => Box::new(Hybrid { prompt, max_summary_len, last_keep_len, positions: policy(positions) }),
        ExceedContextHandling::DropOldestFrames { keep_frame_len, positions } => {
            Box::new(DropOldestFrames { keep_frame_len, positions: policy(positions) })
        }
        ExceedContextHandling::Keyframes { keep_frame_len, recent_frame_len, positions } => {
            Box::new(Keyframes { keep_frame_len, recent_frame_len, positions: policy(positions) })
        }
        ExceedContextHandling::SummarizeWithDst {
            summary_prompt: prompt,
            max_summary_len,
            max_state_len,
        } => Box::new(SummarizeWithDst { prompt, max_summary_len, max_state_len }),
        ExceedContextHandling::DropAll => Box::new(DropAll),
        other => return unknown(&other),
    })
}

fn of_proassist(strategy: &ExceedContextHandling) -> Result<Box<dyn ContextStrategy>, RunError> {
    Ok(match strategy.clone() {
        ExceedContextHandling::DropAll => Box::new(proassist::DropAll),
        ExceedContextHandling::DropMiddle { last_keep_len, .. } => {
            Box::new(proassist::DropMiddle { last_keep_len })
        }
        ExceedContextHandling::SummarizeAndDrop { summary_prompt: prompt, max_summary_len, .. } => {
            Box::new(proassist::SummarizeAndDrop { prompt, max_summary_len })
        }
        other => return unknown(&other),
    })
}

fn unknown(strategy: &ExceedContextHandling) -> Result<Box<dyn ContextStrategy>, RunError> {
    let name = match strategy {
        ExceedContextHandling::Custom { name, .. } => name.clone(),
        other => other.name().to_owned(),
    };
    Err(RunError::UnknownStrategy { name })
}

/// The same choice in the words of `prospect-context`, which knows no settings.
fn policy(positions: prospect_config::PositionPolicy) -> PositionPolicy {
    match positions {
        prospect_config::PositionPolicy::Legacy => PositionPolicy::Legacy,
        prospect_config::PositionPolicy::Preserve => PositionPolicy::Preserve,
        prospect_config::PositionPolicy::Rerotate => PositionPolicy::Rerotate,
        prospect_config::PositionPolicy::Recompute => PositionPolicy::Recompute,
    }
}
