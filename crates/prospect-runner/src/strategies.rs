//! From settings to the strategy that they name: a built-in one, or one that a program of someone else's registered.

mod parameters;

use std::collections::BTreeMap;

pub use parameters::Parameters;

use prospect_config::{ContextRules, ContextSettings, ExceedContextHandling};
use prospect_context::strategies::{
    DropAll, DropMiddle, DropOldestFrames, Hybrid, Keyframes, SinkWindow, SummarizeAndDrop, SummarizeWithDst,
    proassist,
};
use prospect_context::{ContextStrategy, PositionPolicy};

use crate::error::RunError;
use crate::session::ContextRule;

/// Makes a strategy from its parameters, or says in one line what is wrong with them.
pub type StrategyBuilder = dyn Fn(&Parameters<'_>) -> Result<Box<dyn ContextStrategy>, String>;

/// Strategies beside the built-in ones, by name.
#[derive(Default)]
pub struct Registry {
    builders: BTreeMap<String, Box<StrategyBuilder>>,
}

impl Registry {
    /// Adds a strategy; one of the same name is replaced.
    pub fn register(&mut self, name: impl Into<String>, builder: Box<StrategyBuilder>) {
        self.builders.insert(name.into(), builder);
    }

    /// Whether `name` is registered.
    pub fn has(&self, name: &str) -> bool {
        self.builders.contains_key(name)
    }

    /// What happens when the cache is full, as the settings say.
    ///
    /// # Errors
    /// [`RunError::UnknownStrategy`], or [`RunError::StrategyParameters`] of a registered one.
    pub fn context_rule(&self, settings: &ContextSettings) -> Result<ContextRule, RunError> {
        let strategy = match (&settings.strategy, settings.rules) {
            (ExceedContextHandling::None, _) => return Ok(ContextRule::Stateless),
            (ExceedContextHandling::Unlimited, _) => return Ok(ContextRule::Unlimited),
            (ExceedContextHandling::Custom { name, params }, _) => self.build(name, params)?,
            (strategy, ContextRules::Prospect) => own(strategy)?,
            (strategy, ContextRules::ProAssist) => of_proassist(strategy)?,
        };
        Ok(ContextRule::Strategy(strategy))
    }

    fn build(&self, name: &str, params: &toml::Table) -> Result<Box<dyn ContextStrategy>, RunError> {
        let known = || match self.builders.is_empty() {
            true => "none".to_owned(),
            false => self.builders.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let unknown = || RunError::UnknownStrategy { name: name.to_owned(), known: known() };
        let builder = self.builders.get(name).ok_or_else(unknown)?;
        let parameters = Parameters::new(params);
        let built = builder(&parameters).and_then(|strategy| parameters.check_all_read().map(|()| strategy));
        built.map_err(|problem| RunError::StrategyParameters { name: name.to_owned(), problem })
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

/// Settings let no other through.
fn unknown(strategy: &ExceedContextHandling) -> Result<Box<dyn ContextStrategy>, RunError> {
    let (name, known) = (strategy.name().to_owned(), "another".to_owned());
    Err(RunError::UnknownStrategy { name, known })
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
