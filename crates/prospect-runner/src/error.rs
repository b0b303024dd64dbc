//! What can go wrong in a run, and the exit code that says so.

use std::path::PathBuf;

use prospect_context::simulator::SimulatorError;
use prospect_context::simulator::recorded::{Difference, RecordingError};
use prospect_engine::EngineError;
use prospect_evaluation::annotations::AnnotationsError;
use prospect_evaluation::{SimilarityError, TraceError};
use prospect_hub::HubError;
use prospect_journal::JournalError;
use prospect_model::ModelError;
use prospect_processor::ProcessorError;
use prospect_session::registry::RegistryError;
use prospect_source::SourceError;

use crate::gguf_pair::PairError;
use crate::suspend::SuspendError;

/// Any failure of a command; its `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting that does not hold, alone or with the checkpoint.
    #[error(transparent)]
    Settings(#[from] prospect_config::SettingsError),
    /// The video or folder of images.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A trace that is read back.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// What is written down: traces, results, streams, and the locks where they lie.
    #[error(transparent)]
    Journal(JournalError),
    /// A stream that cannot be resumed.
    #[error(transparent)]
    Suspend(#[from] SuspendError),
    /// A trace that tells of no stream.
    #[error("{}: {source}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What does not fit together.
        source: RecordingError,
    },
    /// A simulation that cannot go on.
    #[error("simulation: {0}")]
    Simulator(#[from] SimulatorError),
    /// A replay that does not do what the run did.
    #[error("{}: {difference}: expected the same evictions", path.display())]
    Replay {
        /// The trace.
        path: PathBuf,
        /// Where the two part.
        difference: Box<Difference>,
    },
    /// The annotation file.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
    /// Replies that cannot be judged.
    #[error(transparent)]
    Similarity(#[from] SimilarityError),
    /// The checkpoint's text and image side.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The checkpoint's weights, or the computation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine, or a stream that it serves.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A strategy that cannot be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A model of the hub that cannot be had.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A checkpoint that is neither there nor a name on the hub.
    #[error("--model: {} is no folder: expected a checkpoint folder (config.json, model.safetensors, tokenizer.json, ...), a GGUF file or a hub id (OWNER/NAME or OWNER/NAME@REVISION)", folder.display())]
    NoCheckpoint {
        /// What was looked for.
        folder: PathBuf,
    },
    /// GGUF files that are no model.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The embedded default, looked for by a binary that was moved away from its repository.
    #[error(
        "{relative} is neither where this program was built nor beside it: expected --model and a SOURCE"
    )]
    NoDefault {
        /// Path in the repository.
        relative: String,
    },
    /// A checkpoint whose model and processor disagree.
    #[error(
        "config.json gives {model} tokens a frame, processor_config.json's image_seq_len is {processor}: expected the same"
    )]
    ImageSeqLen {
        /// By the model's shapes.
        model: usize,
        /// By the processor's settings.
        processor: usize,
    },
    /// A checkpoint whose model and tokenizer disagree on where images stand.
    #[error(
        "config.json's image_token_id is {model}, the tokenizer's image token is {tokenizer}: expected the same"
    )]
    ImageToken {
        /// By config.json.
        model: u32,
        /// By tokenizer.json.
        tokenizer: u32,
    },
    /// A special token that the model has no embedding for.
    #[error(
        "the special token {id} is not in the model's vocabulary: expected less than {vocab_size}, config.json's vocab_size"
    )]
    SpecialToken {
        /// Its id.
        id: u32,
        /// Embeddings of the model.
        vocab_size: usize,
    },
    /// A run in which the assistant could never say anything.
    #[error("the assistant could never speak: {because}: expected {expected}")]
    SilentForever {
        /// The setting, and why nothing comes of it.
        because: String,
        /// What would help.
        expected: String,
    },
    /// A source from which no frame reached the model.
    #[error("{source_name}: no frame could be read: expected at least one")]
    NoFrames {
        /// The source.
        source_name: String,
    },
    /// An argument that cannot be served.
    #[error("{argument}: {problem}: expected {expected}")]
    Argument {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        problem: String,
        /// What would be valid.
        expected: String,
    },
    /// A comparison in which some runs failed.
    #[error("{failed} of the runs failed: what they did not come to counts as missed")]
    FailedRuns {
        /// How many.
        failed: usize,
    },
    /// A report that cannot be made.
    #[error("the report: {problem}")]
    Report {
        /// What went wrong.
        problem: String,
    },
    /// A video into which no subtitles could be burnt.
    #[error("--burn {}: {problem}", path.display())]
    Burn {
        /// Where it should have gone.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// A suite that is not done yet.
    #[error("{missing} of {of} results are missing, {first} first: expected every shard to have finished")]
    MissingResults {
        /// How many.
        missing: usize,
        /// How many there should be.
        of: usize,
        /// The first of them.
        first: String,
    },
    /// Traces that break a law of traces.
    #[error("{broken} laws broken, first {first}")]
    BrokenLaws {
        /// How many.
        broken: usize,
        /// The first, with strategy and video.
        first: String,
    },
    /// A file that could not be looked at.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Keys of a server that cannot be had.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Keys(#[from] prospect_server::KeyError),
    /// A camera that cannot be served.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Camera(#[from] prospect_server::CameraError),
    /// A pattern of addresses that is none.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    AllowedSource(#[from] prospect_server::PatternError),
    /// Certificates and keys of a server that cannot be used.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Tls(#[from] prospect_server::TlsError),
    /// Receivers of a server's events that cannot be told.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Notify(#[from] prospect_server::NotifyError),
    /// A server that cannot listen, or keep its sessions.
    #[cfg(feature = "serve")]
    #[error("--listen {address}: {source}")]
    Serve {
        /// Where it should listen.
        address: std::net::SocketAddr,
        /// Why it does not.
        source: std::io::Error,
    },
    /// Standard output or standard error that takes nothing more.
    #[error("cannot write to the output: {source}")]
    Output {
        /// Why.
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// 2 for bad input, 130 for an interruption, 1 for a failure at work.
    pub fn exit_code(&self) -> u8 {
        match self {
            // The source was good, until it was gone.
            Self::Source(SourceError::Lost { .. }) => 1,
            Self::Settings(_)
            | Self::Source(_)
            | Self::Trace(_)
            | Self::Suspend(_)
            | Self::Recording { .. }
            | Self::Read { .. }
            | Self::Annotations(_)
            | Self::Processor(_)
            | Self::NoCheckpoint { .. }
            | Self::Pair(_)
            | Self::NoDefault { .. }
            | Self::ImageSeqLen { .. }
            | Self::ImageToken { .. }
            | Self::SpecialToken { .. }
            | Self::Registry(_)
            | Self::NoFrames { .. }
            | Self::SilentForever { .. }
            | Self::Argument { .. } => 2,
            #[cfg(feature = "serve")]
            Self::Keys(_) | Self::Camera(_) | Self::AllowedSource(_) | Self::Tls(_) | Self::Notify(_) => 2,
            #[cfg(feature = "serve")]
            Self::Serve { .. } => 1,
            Self::Model(error) if error.is_bad_checkpoint() => 2,
            Self::Engine(error) if error.is_bad_input() => 2,
            Self::Journal(error) => exit_code_of_journal(error),
            Self::Hub(error) => exit_code_of_hub(error),
            Self::Interrupted => 130,
            Self::Model(_)
            | Self::Engine(_)
            | Self::Similarity(_)
            | Self::FailedRuns { .. }
            | Self::Simulator(_)
            | Self::Replay { .. }
            | Self::MissingResults { .. }
            | Self::Report { .. }
            | Self::Burn { .. }
            | Self::BrokenLaws { .. }
            | Self::Write { .. }
            | Self::Output { .. } => 1,
        }
    }
}

/// What is wrong with a suspended stream's file, people know by the argument that names the file; what an engine says is the
/// engine's word.
impl From<JournalError> for RunError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Suspended(error) => SuspendError::from(error).into(),
            JournalError::Engine(error) => (*error).into(),
            error => Self::Journal(error),
        }
    }
}

/// 2 for what has to be asked differently, 1 for a failure at work.
fn exit_code_of_journal(error: &JournalError) -> u8 {
    match error {
        JournalError::Read { .. }
        | JournalError::Locked { .. }
        | JournalError::NoLock { .. }
        | JournalError::Suspended(_) => 2,
        _ => 1,
    }
}

/// 2 for what has to be asked differently, 130 for an interruption, 1 for a failure at work.
fn exit_code_of_hub(error: &HubError) -> u8 {
    match error {
        HubError::Id { .. }
        | HubError::NoCache
        | HubError::Offline { .. }
        | HubError::NoDownload { .. }
        | HubError::Unauthorised { .. }
        | HubError::NotFound { .. }
        | HubError::MissingFile { .. }
        | HubError::NotACheckpoint(_) => 2,
        HubError::Interrupted => 130,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use prospect_journal::SuspendedError;

    use super::*;

    #[test]
    fn what_has_to_be_asked_differently_is_two_and_a_hub_that_fails_is_one() {
        let code = |error: HubError| RunError::from(error).exit_code();
        let url = || "https://hub/owner/name".to_owned();
        assert_eq!(code(HubError::NotFound { url: url(), code: String::new() }), 2);
        assert_eq!(code(HubError::MissingFile { id: "owner/name".to_owned(), file: "config.json" }), 2);
        assert_eq!(code(HubError::NotACheckpoint("no model".into())), 2);
        assert_eq!(code(HubError::Server { url: url(), status: 500 }), 1);
        assert_eq!(code(HubError::RateLimited { url: url(), seconds: None }), 1);
        assert_eq!(code(HubError::Interrupted), 130);
    }

    #[test]
    fn what_is_in_the_way_is_two_and_a_disk_that_fails_is_one() {
        let code = |error: JournalError| RunError::from(error).exit_code();
        let path = || PathBuf::from("out/trace.jsonl");
        let why = || std::io::Error::other("no");
        assert_eq!(code(JournalError::Read { path: path(), source: why() }), 2);
        assert_eq!(code(JournalError::Locked { place: path(), holder: "process 1".to_owned() }), 2);
        assert_eq!(code(JournalError::NoLock { path: path(), place: path() }), 2);
        assert_eq!(code(JournalError::Write { path: path(), source: why() }), 1);
        assert_eq!(code(JournalError::TakenAway { path: path() }), 1);
        assert_eq!(code(JournalError::from(EngineError::Stopped)), 1);
        let missing = RunError::from(JournalError::from(SuspendedError::Missing { path: path() }));
        assert_eq!(missing.exit_code(), 2);
        assert!(missing.to_string().starts_with("--checkpoint out/trace.jsonl: there is none"), "{missing}");
        let taken = RunError::from(JournalError::from(SuspendedError::Taken { path: path() }));
        assert!(taken.to_string().starts_with("--checkpoint out/trace.jsonl: is there and"), "{taken}");
    }
}
