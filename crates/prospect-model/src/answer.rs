//! A question about the next token, and the model's answer.

use crate::sampling::Choice;

/// What a caller wants to know about the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All logits.
    Logits,
    /// The numbers that a talk decision needs ([`Choice`]).
    Choice {
        /// The token id of silence.
        silence: u32,
    },
    /// The id of the likeliest token.
    Likeliest,
}

/// The model's answer about the next token.
#[derive(Debug, PartialEq)]
pub enum Found<'a> {
    /// The logits, `[vocab]`, all finite. The receiver may change them.
    Logits(&'a mut [f32]),
    /// The likeliest tokens and the probability of silence.
    Choice(Choice),
    /// The id of the likeliest token; of equal logits, the lowest id.
    Likeliest(u32),
}

/// The answer to one piece of a pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// Index of the piece's row in the logits of the pass.
    Logits(usize),
    Choice(Choice),
    Likeliest(u32),
}
