//! A run once more, without its model.

use std::ops::Range;

use super::event::RecordedOverflow;
use super::read::Recording;
use crate::simulator::options::{SimulatorError, SimulatorOptions};
use crate::simulator::report::{Eviction, PutBack, Simulation};
use crate::simulator::simulate::{Recorded, Simulator};
use crate::strategy::ContextStrategy;
use crate::view::DialogueState;

/// What a replay did.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Its figures, with its evictions: up to the first that differs, this one included.
    pub simulation: Simulation,
    /// Where it first parts from the run; the replay ends there.
    pub difference: Option<Difference>,
}

/// Where a replay parts from its run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The run evicted, the replay did not.
    #[error("step {step}: the run evicted, the replay did not")]
    Missing {
        /// Number of the step, from 0.
        step: usize,
    },
    /// The replay evicted, the run did not.
    #[error("step {step}: the replay evicted, the run did not")]
    Unexpected {
        /// Number of the step, from 0.
        step: usize,
    },
    /// Other slots are kept.
    #[error("step {step}: the run kept {run:?}, the replay {replay:?}")]
    Kept {
        /// Number of the step, from 0.
        step: usize,
        /// Slots that the run kept.
        run: Vec<Range<usize>>,
        /// Slots that the replay kept.
        replay: Vec<Range<usize>>,
    },
    /// Something else is put back.
    #[error("step {step}: the run put {run:?} back, the replay {replay:?}")]
    PutBack {
        /// Number of the step, from 0.
        step: usize,
        /// What the run put back.
        run: Vec<PutBack>,
        /// What the replay put back.
        replay: Vec<PutBack>,
    },
    /// A count of tokens differs.
    #[error("step {step}: {what} is {run} in the run, {replay} in the replay")]
    Tokens {
        /// Number of the step, from 0.
        step: usize,
        /// `incoming`, `tokens_before` or `tokens_after`.
        what: &'static str,
        /// Tokens in the run.
        run: usize,
        /// Tokens in the replay.
        replay: usize,
    },
}

impl Recording {
    /// Replays the run under its own strategy: the lengths of what was put back are those of the run. Every eviction comes
    /// out as it did, or the first that does not is told.
    ///
    /// A trace does not hold the texts, and what a text costs is estimated: one that begins the stream again costs what the
    /// opening did. A strategy that keeps less for a longer text ([`crate::strategies::Hybrid`]) may need the run's own
    /// counter and texts: [`Self::replay_with`].
    ///
    /// # Errors
    /// The strategy has no plan where the run had one.
    pub fn replay(&self, strategy: &dyn ContextStrategy) -> Result<Replay, SimulatorError> {
        let none_known = DialogueState::default();
        let options = SimulatorOptions { dialogue_state: Some(&none_known), ..self.options() };
        self.replay_with(strategy, options)
    }

    /// The same with the run's texts, token counter and dialogue state; the budget is that of the run.
    ///
    /// # Errors
    /// The strategy has no plan where the run had one.
    pub fn replay_with(
        &self,
        strategy: &dyn ContextStrategy,
        options: SimulatorOptions<'_>,
    ) -> Result<Replay, SimulatorError> {
        let options =
            SimulatorOptions { budget: self.budget(), user_turn: self.options().user_turn, ..options };
        let mut simulator = Simulator::with_exact_budget(strategy, options);
        let mut overflows = self.overflows().iter().peekable();
        for (step, came_in) in self.steps().iter().enumerate() {
            let run = overflows.next_if(|(at, _)| *at == step).map(|(_, overflow)| overflow);
            simulator.recorded = Recorded {
                put_back: run.map(|run| run.put_back.clone()),
                initial_tokens: run.and_then(|run| run.initial_tokens),
            };
            let replayed = simulator.push(came_in)?;
            let difference = match (run, &replayed) {
                (None, None) => None,
                (Some(_), None) => Some(Difference::Missing { step }),
                (None, Some(_)) => Some(Difference::Unexpected { step }),
                (Some(run), Some(replayed)) => difference(run, replayed),
            };
            if difference.is_some() {
                return Ok(Replay { simulation: simulator.finish(), difference });
            }
        }
        Ok(Replay { simulation: simulator.finish(), difference: None })
    }
}

fn difference(run: &RecordedOverflow, replay: &Eviction) -> Option<Difference> {
    let step = replay.step;
    let counts = [
        ("incoming", run.incoming, replay.incoming),
        ("tokens_before", run.tokens_before, replay.tokens_before),
    ];
    let other_tokens = |(what, run, replay)| Difference::Tokens { step, what, run, replay };
    if let Some(other) = counts.into_iter().find(|(_, run, replay)| run != replay) {
        return Some(other_tokens(other));
    }
    let kept: Vec<Range<usize>> = run.kept.iter().map(|&[start, end]| start..end).collect();
    if kept != replay.kept {
        return Some(Difference::Kept { step, run: kept, replay: replay.kept.clone() });
    }
    if run.put_back != replay.put_back {
        let (run, replay) = (run.put_back.clone(), replay.put_back.clone());
        return Some(Difference::PutBack { step, run, replay });
    }
    let (run, replay) = (run.tokens_after, replay.tokens_after);
    (run != replay).then_some(other_tokens(("tokens_after", run, replay)))
}
