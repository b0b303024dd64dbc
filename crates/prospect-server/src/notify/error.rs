//! What is wrong with how receivers of events are named.

use std::path::PathBuf;

use crate::tls::TlsError;

/// Why events cannot be sent. Every message is one line; no message repeats an address, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A webhook whose address is none.
    #[error("--webhook, number {number}: not an address: expected http://HOST/PATH or https://HOST/PATH")]
    WebhookAddress {
        /// Which one, from 1.
        number: usize,
    },
    /// A file that cannot be read.
    #[error("{argument} {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The argument that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A secret that could be guessed.
    #[error("--webhook-secret-file {}: expected a secret of at least {least} letters", path.display())]
    ShortSecret {
        /// The file.
        path: PathBuf,
        /// Letters that it has to have.
        least: usize,
    },
    /// A broker whose address is none.
    #[error("--mqtt: not an address: expected mqtt://HOST:PORT or mqtts://HOST:PORT")]
    MqttAddress,
    /// A broker's address with a password.
    #[error(
        "--mqtt: a user in the address: expected --mqtt-user-file FILE, since every user of the machine reads a command line"
    )]
    MqttUserInAddress,
    /// A prefix that topics cannot have.
    #[error("--mqtt-prefix {prefix:?}: expected letters, digits, '_', '-', and '/' between them")]
    MqttPrefix {
        /// The prefix.
        prefix: String,
    },
    /// A file that names no user.
    #[error("--mqtt-user-file {}: expected the user on the first line and the password on the second", path.display())]
    MqttUser {
        /// The file.
        path: PathBuf,
    },
    /// Roots that cannot be trusted.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
