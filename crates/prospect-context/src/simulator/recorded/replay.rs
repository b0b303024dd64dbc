//! Replays a run without its model.

use std::ops::Range;

use super::event::RecordedOverflow;
use super::read::Recording;
use crate::simulator::options::{SimulatorError, SimulatorOptions};
use crate::simulator::report::{Eviction, PutBack, Simulation};
use crate::simulator::simulate::{Recorded, Simulator};
use crate::strategy::ContextStrategy;
use crate::view::DialogueState;

/// The result of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The figures and evictions of the replay, up to and including the first eviction that differs.
    pub simulation: Simulation,
    /// The first difference to the run, at which the replay ends.
    pub difference: Option<Difference>,
}

/// A difference between a replay and its run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The run evicted, but the replay did not.
    #[error("step {step}: the run evicted, the replay did not")]
    Missing {
        /// The number of the step, counted from 0.
        step: usize,
    },
    /// The replay evicted, but the run did not.
    #[error("step {step}: the replay evicted, the run did not")]
    Unexpected {
        /// The number of the step, counted from 0.
        step: usize,
    },
    /// The two keep different slots.
    #[error("step {step}: the run kept {run:?}, the replay {replay:?}")]
    Kept {
        /// The number of the step, counted from 0.
        step: usize,
        /// The slots that the run kept.
        run: Vec<Range<usize>>,
        /// The slots that the replay kept.
        replay: Vec<Range<usize>>,
    },
    /// The two put back different texts.
    #[error("step {step}: the run put {run:?} back, the replay {replay:?}")]
    PutBack {
        /// The number of the step, counted from 0.
        step: usize,
        /// The texts that the run put back.
        run: Vec<PutBack>,
        /// The texts that the replay put back.
        replay: Vec<PutBack>,
    },
    /// A number of tokens differs.
    #[error("step {step}: {what} is {run} in the run, {replay} in the replay")]
    Tokens {
        /// The number of the step, counted from 0.
        step: usize,
        /// The field that differs: `incoming`, `tokens_before` or `tokens_after`.
        what: &'static str,
        /// The number of tokens in the run.
        run: usize,
        /// The number of tokens in the replay.
        replay: usize,
    },
}

impl Recording {
    /// Replays the run under its own strategy. The lengths of the texts that were put back are those of the
    /// run. Either every eviction equals that of the run, or the first one that differs is returned.
    ///
    /// A trace does not have the texts, so the tokens of a text are estimated: a text that begins the stream
    /// again costs as much as the opening did. A strategy that keeps less after a longer text
    /// ([`crate::strategies::Hybrid`]) may need the run's own counter and texts; use [`Self::replay_with`]
    /// then.
    ///
    /// # Errors
    /// The strategy finds no plan at an eviction of the run.
    pub fn replay(&self, strategy: &dyn ContextStrategy) -> Result<Replay, SimulatorError> {
        let none_known = DialogueState::default();
        let options = SimulatorOptions { dialogue_state: Some(&none_known), ..self.options() };
        self.replay_with(strategy, options)
    }

    /// Like [`Self::replay`], but with the run's texts, token counter and dialogue state. The budget is that
    /// of the run.
    ///
    /// # Errors
    /// The strategy finds no plan at an eviction of the run.
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
