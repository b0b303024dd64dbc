//! The options of a simulation, and its errors.

use super::stand_in::WordCounter;
use crate::account::UserTurn;
use crate::budget::Budget;
use crate::plan::PlanError;
use crate::view::{DialogueState, Opening, TokenCounter};

/// What a simulation is given in addition to the stream.
#[derive(Clone, Copy)]
pub struct SimulatorOptions<'a> {
    /// The budget of the cache. As in a run, the strategy says how much room its summaries need:
    /// `max_summary_tokens` is replaced by [`crate::ContextStrategy::max_summary_tokens`].
    pub budget: Budget,
    /// The length of the model's summaries in tokens, if the strategy allows as many.
    pub summary_tokens: usize,
    /// Counts the tokens of a text.
    pub token_counter: &'a dyn TokenCounter,
    /// The texts that opened the stream. With `None`, the system prompt costs as many tokens when it is put
    /// back as it did in the stream.
    pub opening: Option<Opening<'a>>,
    /// The progress of the task. It stays the same during the simulation.
    pub dialogue_state: Option<&'a DialogueState>,
    /// Tokens that open and close a user's turn, where frames stand in one; the stream's steps have the openings.
    pub user_turn: Option<UserTurn<usize>>,
}

impl SimulatorOptions<'static> {
    /// Options with summaries of 64 tokens, one token for every word, and no dialogue state.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            summary_tokens: 64,
            token_counter: &WordCounter,
            opening: None,
            dialogue_state: None,
            user_turn: None,
        }
    }
}

/// The reason why a simulation ends early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The strategy found no plan.
    #[error("step {step}, second {time}: strategy {strategy}: {source}")]
    Plan {
        /// The number of the step, counted from 0.
        step: usize,
        /// The stream time of the step in seconds.
        time: f64,
        /// The name of the strategy.
        strategy: String,
        /// The reason.
        source: PlanError,
    },
    /// The incoming tokens do not fit, even after an eviction if there was one.
    #[error(
        "step {step}, second {time}: no room for {incoming} more tokens beside {cache_tokens}: expected at most {max_seq_len} together"
    )]
    NoRoom {
        /// The number of the step, counted from 0.
        step: usize,
        /// The stream time of the step in seconds.
        time: f64,
        /// The tokens that came in, or that the eviction wanted to put back.
        incoming: usize,
        /// Tokens in the cache.
        cache_tokens: usize,
        /// The most tokens that the cache may hold.
        max_seq_len: usize,
    },
}
