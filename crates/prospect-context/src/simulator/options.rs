//! What a simulation is told, and how it fails.

use super::stand_in::WordCounter;
use crate::account::UserTurn;
use crate::budget::Budget;
use crate::plan::PlanError;
use crate::view::{DialogueState, Opening, TokenCounter};

/// What a simulation knows beside the stream.
#[derive(Clone, Copy)]
pub struct SimulatorOptions<'a> {
    /// The budget of the cache. As in a run, the strategy says what room its summaries need: `max_summary_tokens` is
    /// replaced by [`crate::ContextStrategy::max_summary_tokens`].
    pub budget: Budget,
    /// How long the model's summaries turn out, in tokens, where the strategy allows that many.
    pub summary_tokens: usize,
    /// What a text costs.
    pub token_counter: &'a dyn TokenCounter,
    /// The texts that opened the stream; `None`: a system prompt which, put back, costs what the stream's own did.
    pub opening: Option<Opening<'a>>,
    /// Progress of the task, the same all the time.
    pub dialogue_state: Option<&'a DialogueState>,
    /// Tokens that open and close a user's turn, where frames stand in one; the stream's steps have the openings.
    pub user_turn: Option<UserTurn<usize>>,
}

impl SimulatorOptions<'static> {
    /// Summaries of 64 tokens, a token for every word, and no dialogue state.
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

/// Why a simulation ends early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The strategy has no plan.
    #[error("step {step}, second {time}: strategy {strategy}: {source}")]
    Plan {
        /// Number of the step, from 0.
        step: usize,
        /// Its stream time in seconds.
        time: f64,
        /// The strategy's name.
        strategy: String,
        /// Why not.
        source: PlanError,
    },
    /// What comes in does not fit, even after an eviction where there was one.
    #[error(
        "step {step}, second {time}: no room for {incoming} more tokens beside {cache_tokens}: expected at most {max_seq_len} together"
    )]
    NoRoom {
        /// Number of the step, from 0.
        step: usize,
        /// Its stream time in seconds.
        time: f64,
        /// Tokens that came in, or were to be put back.
        incoming: usize,
        /// Tokens in the cache.
        cache_tokens: usize,
        /// Most tokens the cache may hold.
        max_seq_len: usize,
    },
}
