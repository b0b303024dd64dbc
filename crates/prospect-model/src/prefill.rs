//! A chunk or a word of one stream into its cache, in a pass of its own.

use std::slice;

use crate::answer::{Found, Wanted};
use crate::batch::Input;
use crate::cache::KvCache;
use crate::embeddings::Embeddings;
use crate::error::{GenerationError, Result};
use crate::passes::check_finite;
use crate::sampling::Choice;
use crate::smolvlm::SmolVlm;

impl SmolVlm {
    /// Puts a chunk into the cache and returns the logits of its last token, `[vocab]`.
    ///
    /// # Errors
    /// Every error leaves the cache as it was: [`ModelError::EmptyChunk`](crate::ModelError::EmptyChunk), [`ModelError::CacheFull`](crate::ModelError::CacheFull),
    /// [`ModelError::Position`](crate::ModelError::Position), [`ModelError::NonFiniteLogits`](crate::ModelError::NonFiniteLogits).
    pub fn prefill(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        self.prefill_into(chunk, cache, &mut logits)?;
        Ok(logits)
    }

    /// As [`Self::prefill`], into a buffer that lives from chunk to chunk.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_into(&self, chunk: &Embeddings, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Chunk(chunk), cache, Wanted::Logits, logits).map(drop)
    }

    /// As [`Self::prefill_into`], and returns what the logits let expect, `silence` being the id of silence. On a GPU that is found
    /// there, and nothing else comes back; elsewhere `logits` are left as they are computed.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_choice(
        &self,
        chunk: &Embeddings,
        cache: &mut KvCache,
        silence: u32,
        logits: &mut Vec<f32>,
    ) -> Result<Choice> {
        let wanted = Wanted::Choice { silence };
        match self.put(Input::Chunk(chunk), cache, wanted, logits)? {
            Found::Choice(choice) => Ok(choice),
            // Never: what is asked for is found.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// Puts one word into the cache, as [`Self::embed_words`] and [`Self::prefill_into`] do, and allocates nothing.
    ///
    /// # Errors
    /// As [`Self::embed_words`] and [`Self::prefill`].
    pub fn decode_into(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Word(id), cache, Wanted::Logits, logits).map(drop)
    }

    /// Puts one word into the cache and returns the likeliest word that follows. On a GPU the choice is made there, and nothing but
    /// the choice comes back; elsewhere `logits` is room that lives from token to token.
    ///
    /// # Errors
    /// As [`Self::decode_into`].
    pub fn decode_likeliest(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<u32> {
        let wanted = Wanted::Likeliest;
        match self.put(Input::Word(id), cache, wanted, logits)? {
            Found::Likeliest(id) => Ok(id),
            // Never: what is asked for is found.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// As [`Self::prefill`], with the logits of every token, `[tokens][vocab]`: for comparison with other implementations.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_all_logits(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<Vec<f32>>> {
        let (mut logits, vocab) = (Vec::new(), self.config().text_config.vocab_size);
        let input = Input::Chunk(chunk);
        let mut piece = self.piece(&input, cache, Wanted::Logits)?.with_rows(chunk.tokens());
        let passes = self.passes();
        let forward = passes.forward(slice::from_mut(&mut piece), &mut logits);
        forward.and_then(|()| check_finite(&logits, vocab)).inspect_err(|_| piece.undo())?;
        Ok(logits.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }
}
