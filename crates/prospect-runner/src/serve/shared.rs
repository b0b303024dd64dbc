//! What the streams of a server share.

use std::num::NonZeroUsize;
use std::sync::Arc;

use prospect_engine::{Engine, SmolVlmStreams};

use crate::checkpoint::Checkpoint;
use crate::strategies::Registry;

/// Shared by the threads of all streams.
pub(super) struct SharedModel {
    pub(super) checkpoint: Checkpoint,
    pub(super) engine: Engine<SmolVlmStreams>,
    pub(super) strategies: Arc<Registry>,
    /// Number of frames from one suspension to a file to the next.
    pub(super) checkpoint_every: NonZeroUsize,
}
