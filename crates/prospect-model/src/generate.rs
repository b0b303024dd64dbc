//! The generation loop for one stream with its cache.

use crate::batch::Input;
use crate::cache::KvCache;
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::generation::{Generated, Generation, Next};
use crate::generator::{Generator, TalkRule};
use crate::smolvlm::SmolVlm;

impl Generator {
    /// Prefills `chunk` and generates at most `max_new_tokens` tokens. `rule` is the talk decision at
    /// the first token; with `None` the model always speaks, and the remembered decision is unchanged.
    /// With [`Sampling::Greedy`](crate::Sampling::Greedy) this is ProAssist's `fast_greedy_generate`.
    ///
    /// # Errors
    /// As [`SmolVlm::prefill`]. The failed input is not in the cache; earlier input is.
    pub fn generate(
        &mut self,
        model: &SmolVlm,
        chunk: &Embeddings,
        cache: &mut KvCache,
        rule: Option<TalkRule>,
        max_new_tokens: usize,
    ) -> Result<Generated> {
        let mut logits = std::mem::take(&mut self.logits);
        let generated = self.lead(self.begin(rule, max_new_tokens), model, chunk, cache, &mut logits);
        self.logits = logits;
        generated
    }

    /// Runs a reply to its end.
    fn lead(
        &mut self,
        mut generation: Generation,
        model: &SmolVlm,
        chunk: &Embeddings,
        cache: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<Generated> {
        loop {
            let input = match generation.next() {
                Next::Chunk => Input::Chunk(chunk),
                Next::Word(id) => Input::Word(id),
                Next::Finished(stop) => return Ok(generation.into_generated(stop)),
            };
            let found = model.put(input, cache, generation.wanted(self), logits)?;
            generation.take(self, found, cache.room())?;
        }
    }
}
