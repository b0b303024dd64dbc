//! Errors of a run, and their exit codes.

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

/// Any failure of a command. Its `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting is invalid, by itself or with the checkpoint.
    #[error(transparent)]
    Settings(#[from] prospect_config::SettingsError),
    /// The video or folder of images cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A trace cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Traces, results or suspended streams cannot be written, or their place is locked.
    #[error(transparent)]
    Journal(JournalError),
    /// A stream cannot be resumed.
    #[error(transparent)]
    Suspend(#[from] SuspendError),
    /// The events of a trace are not those of a stream.
    #[error("{}: {source}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// The inconsistency.
        source: RecordingError,
    },
    /// A simulation cannot continue.
    #[error("simulation: {0}")]
    Simulator(#[from] SimulatorError),
    /// A replay differs from the run.
    #[error("{}: {difference}: expected the same evictions", path.display())]
    Replay {
        /// The trace.
        path: PathBuf,
        /// The first difference.
        difference: Box<Difference>,
    },
    /// The annotation file is invalid.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
    /// Replies cannot be compared with references.
    #[error(transparent)]
    Similarity(#[from] SimilarityError),
    /// The checkpoint's tokenizer, template or image processor fails.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The checkpoint's weights are invalid, or the computation fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine fails, or a stream that it serves.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A strategy is unknown or cannot be made.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A model on the hub is not available.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The name of a checkpoint is neither a path nor a hub id.
    #[error("--model: {} is no folder: expected a checkpoint folder (config.json, model.safetensors, tokenizer.json, ...), a GGUF file or a hub id (OWNER/NAME or OWNER/NAME@REVISION)", folder.display())]
    NoCheckpoint {
        /// The path that was tried.
        folder: PathBuf,
    },
    /// GGUF files do not form a model.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The default checkpoint is not found, because the binary was moved away from its repository.
    #[error(
        "{relative} is neither where this program was built nor beside it: expected --model and a SOURCE"
    )]
    NoDefault {
        /// Path in the repository.
        relative: String,
    },
    /// The model and the processor of a checkpoint disagree on the tokens of a frame.
    #[error(
        "config.json gives {model} tokens a frame, processor_config.json's image_seq_len is {processor}: expected the same"
    )]
    ImageSeqLen {
        /// According to the model's configuration.
        model: usize,
        /// According to the processor's settings.
        processor: usize,
    },
    /// The model and the tokenizer of a checkpoint disagree on the id of the image token.
    #[error(
        "config.json's image_token_id is {model}, the tokenizer's image token is {tokenizer}: expected the same"
    )]
    ImageToken {
        /// According to config.json.
        model: u32,
        /// According to tokenizer.json.
        tokenizer: u32,
    },
    /// The model has no embedding for a special token.
    #[error(
        "the special token {id} is not in the model's vocabulary: expected less than {vocab_size}, config.json's vocab_size"
    )]
    SpecialToken {
        /// Id of the token.
        id: u32,
        /// Number of the model's embeddings.
        vocab_size: usize,
    },
    /// With these settings the assistant can never say anything.
    #[error("the assistant could never speak: {because}: expected {expected}")]
    SilentForever {
        /// The setting, and why it prevents replies.
        because: String,
        /// A setting that would help.
        expected: String,
    },
    /// No frame of the source reached the model.
    #[error("{source_name}: no frame could be read: expected at least one")]
    NoFrames {
        /// The source.
        source_name: String,
    },
    /// An argument is invalid.
    #[error("{argument}: {problem}: expected {expected}")]
    Argument {
        /// The argument.
        argument: String,
        /// What is wrong.
        problem: String,
        /// What would be valid.
        expected: String,
    },
    /// Some runs of a comparison failed.
    #[error("{failed} of the runs failed: what they did not come to counts as missed")]
    FailedRuns {
        /// Number of failed runs.
        failed: usize,
    },
    /// A report cannot be made.
    #[error("the report: {problem}")]
    Report {
        /// What went wrong.
        problem: String,
    },
    /// A video with burnt-in replies could not be written.
    #[error("--burn {}: {problem}", path.display())]
    Burn {
        /// Path of the video.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// Results of a suite are missing.
    #[error("{missing} of {of} results are missing, {first} first: expected every shard to have finished")]
    MissingResults {
        /// Number of missing results.
        missing: usize,
        /// Number of all results.
        of: usize,
        /// Strategy and video of the first missing result.
        first: String,
    },
    /// Traces break a law of traces.
    #[error("{broken} laws broken, first {first}")]
    BrokenLaws {
        /// Number of broken laws.
        broken: usize,
        /// The first one, with strategy and video.
        first: String,
    },
    /// A file could not be read or inspected.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The server's keys cannot be loaded.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Keys(#[from] prospect_server::KeyError),
    /// A camera cannot be served.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Camera(#[from] prospect_server::CameraError),
    /// A pattern of allowed addresses is invalid.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    AllowedSource(#[from] prospect_server::PatternError),
    /// The server's certificate or key cannot be used.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Tls(#[from] prospect_server::TlsError),
    /// The configuration of event receivers is invalid.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Notify(#[from] prospect_server::NotifyError),
    /// The server cannot listen, or cannot store its sessions.
    #[cfg(feature = "serve")]
    #[error("--listen {address}: {source}")]
    Serve {
        /// The address to listen on.
        address: std::net::SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Standard output or standard error cannot be written.
    #[error("cannot write to the output: {source}")]
    Output {
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The run was interrupted by Ctrl-C or a signal.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// Exit code: 2 for bad input, 130 for an interrupt, 1 for other failures.
    pub fn exit_code(&self) -> u8 {
        match self {
            // The source was usable until it was lost.
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

/// Errors of a suspended stream's file are shown with the argument that names the file; errors of the
/// engine are shown as they are.
impl From<JournalError> for RunError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Suspended(error) => SuspendError::from(error).into(),
            JournalError::Engine(error) => (*error).into(),
            error => Self::Journal(error),
        }
    }
}

/// Exit code: 2 if another input would help, 1 otherwise.
fn exit_code_of_journal(error: &JournalError) -> u8 {
    match error {
        JournalError::Read { .. }
        | JournalError::Locked { .. }
        | JournalError::NoLock { .. }
        | JournalError::Suspended(_) => 2,
        _ => 1,
    }
}

/// Exit code: 2 if another input would help, 130 for an interrupt, 1 otherwise.
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
