//! Many streams on one copy of a model's weights.
//!
//! An [`Engine`] owns one model and a thread that does the works of all its streams ([`prospect_session::Session`]s, each with a
//! cache of its own). A handle has two halves: through its [`StreamInput`], which any number of threads may have, frames are
//! pushed, people speak and the stream is written down; from its [`Stream`] one thread takes what comes of it, and dropping
//! that closes it. Threads and channels of the standard library; no runtime.
//!
//! # Scheduling
//! The engine goes round and round; each round is
//! 1. for every stream, everything that is not worth sharing: evictions, truncations, forks;
//! 2. the frame that is due first through the vision tower (several at once where the model says that this is faster);
//! 3. one pass over the chunks and words of all streams that have some, and a few passes more over the words of those that
//!    speak: a *slice* ([`EngineOptions::slice`]).
//!
//! So nobody's frame waits for somebody else's reply: what is said by others costs it one slice a round. It waits for the
//! evictions of its round, which are milliseconds but for texts that are put back and for what the policy `recompute` computes
//! again, and for the encoding of frames that are due before it (earliest deadline first; frames of streams without a pace
//! come behind those that have one). What a stream says and when does not depend on who
//! else is there: a session's works come in their own order, and a pass computes each part to the same bits alone or among
//! others.
//!
//! # Admission
//! A stream's cache is taken when it is opened, so that a stream that begins goes on. One that would not fit into
//! [`EngineOptions::memory`] is refused ([`EngineError::NoMemory`]). [`Engine::load`] tells how much is taken, and how many
//! frames wait.

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
pub use load::EngineLoad;
pub use memory::{peak_memory_bytes, resident_memory_bytes};
pub use output::{Output, StreamPosition, SuspendedParts};
pub use picture::{Picture, fingerprint_of, thumbnail_of};
pub use preparation::{Preparation, PreparedPicture, pixel_values};
pub use setup::{EngineOptions, Resumption, StreamSetup};
pub use smolvlm::{SmolVlmCache, SmolVlmStreams, sampling_of};
pub use stream::Stream;
pub use stream_input::{StreamFrame, StreamInput};
pub use stream_model::{CacheOptions, ResumedModel, StreamModel, SuspendedModel, TalkInput, TalkPart};
