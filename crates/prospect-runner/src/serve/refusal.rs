//! Converts errors of a run to errors for a client of the server.

use std::path::Path;

use prospect_engine::EngineError;
use prospect_server::OpenError;

use crate::error::RunError;

/// An error without the place of the session's folder, which is nobody's business but the operator's.
pub(super) fn without_folder(message: &str, folder: &Path) -> String {
    message.replace(&folder.display().to_string(), "the session's folder")
}

/// The error of opening a session whose files are in this folder.
pub(super) fn refusal_in(error: &RunError, folder: &Path) -> OpenError {
    refused(error, without_folder(&error.to_string(), folder))
}

pub(super) fn refusal(error: &RunError) -> OpenError {
    refused(error, error.to_string())
}

/// Decides whether the client or the server is at fault.
fn refused(error: &RunError, message: String) -> OpenError {
    match error {
        RunError::Engine(EngineError::Stopped) => {
            OpenError::Over("the session has come to its end".to_owned())
        }
        RunError::Engine(EngineError::NoMemory { .. }) => OpenError::NoRoom(message),
        error if error.exit_code() == 2 => OpenError::Refused(message),
        _ => OpenError::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_does_not_learn_where_the_sessions_are() {
        let error = RunError::Write {
            path: "/srv/state/sess_1/stream".into(),
            source: std::io::Error::other("no room on the disk"),
        };
        let OpenError::Failed(said) = refusal_in(&error, Path::new("/srv/state/sess_1")) else {
            panic!("it is the server's fault");
        };
        assert!(!said.contains("/srv") && said.contains("no room on the disk"), "{said}");
    }
}
