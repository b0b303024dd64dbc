//! What is asked of a model about the word that follows, and what is found.

use crate::sampling::Choice;

/// What is asked of a model about the word that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of its logits.
    Logits,
    /// What a talk decision needs, where silence has this id.
    Choice {
        /// The id of silence.
        silence: u32,
    },
    /// The likeliest word.
    Likeliest,
}

/// What a model found about the word that follows.
#[derive(Debug, PartialEq)]
pub enum Found<'a> {
    /// The logits, `[vocab]`, all finite. Whoever takes them may change them.
    Logits(&'a mut [f32]),
    /// What they let expect.
    Choice(Choice),
    /// The likeliest word; of equals, the one with the lowest id.
    Likeliest(u32),
}

/// What is known of the word that follows a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// Its row of the logits.
    Logits(usize),
    Choice(Choice),
    Likeliest(u32),
}
