//! Parts of several streams in one pass over the weights.

use crate::cache::KvCache;
use crate::cpu::Chunk;
use crate::error::Result;
use crate::sampling::Choice;
use crate::smolvlm::{Embeddings, SmolVlm};

/// What goes into a cache.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The id of a word.
    Word(u32),
    /// A chunk of at least one token.
    Chunk(&'a Embeddings),
}

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

/// What one stream puts into a pass.
pub struct Part<'a> {
    /// What goes in.
    pub input: Input<'a>,
    /// What is asked of the word that follows its last token.
    pub wanted: Wanted,
    /// The stream's own cache.
    pub cache: &'a mut KvCache,
}

/// What a pass found, part by part. It keeps its memory from pass to pass.
#[derive(Debug, Default)]
pub struct Answers {
    /// A row for each part that has got so far, `[parts, vocab]`.
    logits: Vec<f32>,
    vocab: usize,
    parts: Vec<Result<Answer>>,
}

/// What is known of a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    /// The row of the logits that is its own.
    Logits(usize),
    Choice(Choice),
    Likeliest(u32),
}

impl Answers {
    /// Memory for passes to come.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many parts are answered and not taken.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes the answers out, in the order of the parts: what was found, or why that part is not in its cache.
    pub fn drain(&mut self) -> impl Iterator<Item = Result<Found<'_>>> {
        let mut rows = self.logits.chunks_exact_mut(self.vocab.max(1)).enumerate();
        self.parts.drain(..).map(move |answer| {
            Ok(match answer? {
                Answer::Choice(choice) => Found::Choice(choice),
                Answer::Likeliest(id) => Found::Likeliest(id),
                // Rows rise with the parts, and each is there.
                Answer::Logits(own) => {
                    Found::Logits(rows.find(|(row, _)| *row == own).map_or(&mut [], |(_, row)| row))
                }
            })
        })
    }
}

impl SmolVlm {
    /// Puts the parts of several streams into their caches in one pass: each weight is read once for all of them, and every part
    /// sees its own cache alone. What a part becomes is what it would become alone, to the bit on the CPU; its answer is in
    /// `answers`, in its place.
    ///
    /// A part that cannot go in has its error there, and leaves its cache as it was; the others go on. These are
    /// [`ModelError::EmptyChunk`], [`ModelError::TokenId`], [`ModelError::CacheFull`], [`ModelError::Position`] and
    /// [`ModelError::NonFiniteLogits`].
    ///
    /// # Errors
    /// A failure of the device or of the tensor library, which is nobody's own: all caches are as they were then, and there are no
    /// answers.
    pub fn pass(&self, parts: &mut [Part<'_>], answers: &mut Answers) -> Result<()> {
        let vocab = self.config().text_config.vocab_size;
        let Answers { logits, vocab: width, parts: found } = answers;
        found.clear();
        logits.clear();
        *width = vocab;
        let mut row = Vec::new();
        for Part { input, wanted, cache } in parts {
            found.push(self.put(*input, cache, *wanted, &mut row).map(|found| match found {
                Found::Logits(row) => {
                    logits.extend_from_slice(row);
                    Answer::Logits(logits.len() / vocab - 1)
                }
                Found::Choice(choice) => Answer::Choice(choice),
                Found::Likeliest(id) => Answer::Likeliest(id),
            }));
        }
        Ok(())
    }

    /// Puts one part into its cache and returns what is wanted; `logits` is room that lives from part to part.
    ///
    /// # Errors
    /// As those of a part in [`Self::pass`].
    pub fn put<'a>(
        &self,
        input: Input<'_>,
        cache: &mut KvCache,
        wanted: Wanted,
        logits: &'a mut Vec<f32>,
    ) -> Result<Found<'a>> {
        match (input, wanted) {
            (Input::Word(id), Wanted::Likeliest) => {
                Ok(Found::Likeliest(self.decode_likeliest(id, cache, logits)?))
            }
            (Input::Word(id), Wanted::Choice { silence }) => {
                self.check_words(&[id])?;
                Ok(Found::Choice(self.passes().choose(Chunk::Words(&[id]), cache, silence, logits)?))
            }
            (Input::Word(id), Wanted::Logits) => {
                self.decode_into(id, cache, logits)?;
                Ok(Found::Logits(logits))
            }
            (Input::Chunk(chunk), Wanted::Choice { silence }) => {
                Ok(Found::Choice(self.prefill_choice(chunk, cache, silence, logits)?))
            }
            (Input::Chunk(chunk), Wanted::Likeliest) => {
                Ok(Found::Likeliest(self.prefill_choice(chunk, cache, u32::MAX, logits)?.likeliest))
            }
            (Input::Chunk(chunk), Wanted::Logits) => {
                self.prefill_into(chunk, cache, logits)?;
                Ok(Found::Logits(logits))
            }
        }
    }
}
