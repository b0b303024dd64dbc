//! Fills a cache without a model, for measurements.

use prospect_context::PositionPolicy;

use super::sides::{CacheRows, keep_embeddings};
use crate::cache::KvCache;
use crate::error::Result;
use crate::placement::Compute;
use crate::text_config::TextConfig;

impl KvCache {
    /// A cache for this configuration, without a model. For measurements.
    #[doc(hidden)]
    pub fn for_shapes(config: &TextConfig, capacity: usize, policy: PositionPolicy) -> Result<Self> {
        Self::new(config, capacity, policy, &Compute::cpu(), None)
    }

    /// A token of zeros for this configuration. For measurements.
    #[doc(hidden)]
    pub fn zero_token(config: &TextConfig) -> ZeroToken {
        let side = vec![0.0; config.kv_heads() * config.head_dim()];
        ZeroToken { side, embedding: vec![0.0; config.hidden_size] }
    }

    /// Appends one token to every layer, like a forward pass does. For measurements.
    #[doc(hidden)]
    pub fn append_zeros(&mut self, token: &ZeroToken) -> Result<()> {
        self.check_room(1)?;
        keep_embeddings(self, &token.embedding)?;
        let row = CacheRows { rows: &token.side, stride: token.side.len(), tokens: 1, slot: self.len() };
        self.tensors().try_for_each(|side| row.write_to(side))?;
        self.commit(1);
        Ok(())
    }
}

/// Keys, values and input embedding of one token, all zero.
#[doc(hidden)]
pub struct ZeroToken {
    side: Vec<f32>,
    embedding: Vec<f32>,
}
