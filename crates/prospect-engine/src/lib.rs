//! Many streams on one copy of a model's weights.
//!
//! An [`Engine`] owns one model and a thread that does the works of all its streams. Each stream is a
//! [`prospect_session::Session`] with a cache of its own. The handle of a stream has two halves. Through the
//! [`StreamInput`], which any number of threads may have, callers push frames, add messages and save the
//! stream. From the [`Stream`], one thread takes the outputs; dropping it closes the stream. The engine uses
//! threads and channels of the standard library, and no async runtime.
//!
//! # Scheduling
//! The engine works in rounds. A round consists of
//! 1. for every stream, the works that are not shared: evictions, truncations, forks;
//! 2. the vision tower for the frame that is due first, or for several frames at once if the model says that
//!    this is faster;
//! 3. one pass over the chunks and tokens of all streams that have some, and a few more passes over the
//!    tokens of the streams that are generating a reply: a *slice* ([`EngineOptions::slice`]).
//!
//! A frame therefore never waits for the whole reply of another stream, but only for one slice per round. It
//! also waits for the evictions of its round. They take milliseconds, except for texts that are put back and
//! for tokens that the policy `recompute` computes again. And it waits for the encoding of frames that are
//! due before it: the earliest deadline comes first, and frames of streams without deadlines come last. The
//! other streams do not change what a stream says, or at which frame. A session's works come in their own
//! order, and a pass computes each part with the same bits alone or among others.
//!
//! # Admission
//! The cache of a stream is allocated when the stream is opened, so a stream that has begun cannot run out of
//! memory for it. A stream that would not fit into [`EngineOptions::memory`] is refused
//! ([`EngineError::NoMemory`]). [`Engine::load`] returns the bytes in use and the number of frames that wait.

mod adjustment;
mod command;
mod engine;
mod error;
mod language;
mod load;
mod memory;
mod output;
mod picture;
mod preparation;
mod scheduler;
mod served;
mod setup;
mod smolvlm;
mod stream;
mod stream_input;
mod stream_model;
#[cfg(test)]
mod tests;

pub use adjustment::Adjustment;
pub use engine::Engine;
pub use error::{EngineError, UnfitError};
pub use language::CheckpointLanguage;
pub use load::{EngineLoad, ReservedBytes};
pub use memory::{peak_memory_bytes, resident_memory_bytes};
pub use output::{Output, StreamPosition, SuspendedParts};
pub use picture::{Picture, fingerprint_of, thumbnail_of};
pub use preparation::{Preparation, PreparedPicture, pixel_values};
pub use setup::{EngineOptions, Resumption, StreamSetup};
pub use smolvlm::{SmolVlmCache, SmolVlmStreams, sampling_of};
pub use stream::Stream;
pub use stream_input::{StreamFrame, StreamInput};
pub use stream_model::{CacheOptions, ResumedModel, StreamModel, SuspendedModel, TalkInput, TalkPart};
