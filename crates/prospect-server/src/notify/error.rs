//! Errors in the configuration of event receivers.

use std::path::PathBuf;

use crate::tls::TlsError;

/// Why the configuration of receivers is invalid. Every message is one line. No message quotes an
/// address, which may contain a password.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The address of a webhook is invalid.
    #[error("--webhook, number {number}: not an address: expected http://HOST/PATH or https://HOST/PATH")]
    WebhookAddress {
        /// Number of the webhook, from 1.
        number: usize,
    },
    /// A file cannot be read.
    #[error("{argument} {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The command line option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A secret is so short that it could be guessed.
    #[error("--webhook-secret-file {}: expected a secret of at least {least} letters", path.display())]
    ShortSecret {
        /// The file.
        path: PathBuf,
        /// Fewest characters of a secret.
        least: usize,
    },
    /// The address of the broker is invalid.
    #[error("--mqtt: not an address: expected mqtt://HOST:PORT or mqtts://HOST:PORT")]
    MqttAddress,
    /// The address of the broker contains a password.
    #[error(
        "--mqtt: a user in the address: expected --mqtt-user-file FILE, since every user of the machine reads a command line"
    )]
    MqttUserInAddress,
    /// The topic prefix is invalid.
    #[error("--mqtt-prefix {prefix:?}: expected letters, digits, '_', '-', and '/' between them")]
    MqttPrefix {
        /// The prefix.
        prefix: String,
    },
    /// The file does not contain a user.
    #[error("--mqtt-user-file {}: expected the user on the first line and the password on the second", path.display())]
    MqttUser {
        /// The file.
        path: PathBuf,
    },
    /// The root certificates are invalid.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
