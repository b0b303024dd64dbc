//! Converts errors of a run to errors for a client of the server.

use prospect_engine::EngineError;
use prospect_server::OpenError;

use crate::error::RunError;

/// Decides whether the client or the server is at fault.
pub(super) fn refusal(error: &RunError) -> OpenError {
    match error {
        RunError::Engine(EngineError::Stopped) => {
            OpenError::Over("the session has come to its end".to_owned())
        }
        RunError::Engine(EngineError::NoMemory { .. }) => OpenError::NoRoom(error.to_string()),
        error if error.exit_code() == 2 => OpenError::Refused(error.to_string()),
        error => OpenError::Failed(error.to_string()),
    }
}
