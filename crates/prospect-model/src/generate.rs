//! Generation for one stream over an explicit cache.

use crate::batch::Input;
use crate::cache::KvCache;
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::generation::{Generated, Generation, Next};
use crate::generator::{Generator, TalkRule};
use crate::smolvlm::SmolVlm;

impl Generator {
    /// Prefills `chunk` and generates at most `max_new_tokens` tokens; `rule` applies to the first one, `None` lets the
    /// model speak without a decision (and without touching the memory of the last one). With [`Sampling::Greedy`](crate::Sampling::Greedy) this is
    /// ProAssist's `fast_greedy_generate`.
    ///
    /// # Errors
    /// Those of [`SmolVlm::prefill`]: what failed is not in the cache, what went in before it is.
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

    /// Leads a reply to its end.
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
