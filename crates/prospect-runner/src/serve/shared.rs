//! What the streams of a server share.

use std::num::NonZeroUsize;
use std::sync::Arc;

use prospect_engine::{Engine, SmolVlmStreams};

use crate::checkpoint::Checkpoint;
use crate::strategies::Registry;

/// What every stream's thread has.
pub(super) struct SharedModel {
    pub(super) checkpoint: Checkpoint,
    pub(super) engine: Engine<SmolVlmStreams>,
    pub(super) strategies: Arc<Registry>,
    /// Frames from one time that a stream is written down to the next.
    pub(super) checkpoint_every: NonZeroUsize,
}
