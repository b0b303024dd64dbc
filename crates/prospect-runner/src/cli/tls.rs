//! TLS of a server, as asked for on the command line.

use std::path::PathBuf;

use clap::Args;
use prospect_server::TlsServer;

use crate::error::RunError;

/// With which certificate connections are encrypted.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArguments {
    /// Serve HTTPS with this certificate (PEM), those that lead to its root behind it.
    #[arg(long, value_name = "PEM", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM, without a passphrase).
    #[arg(long, value_name = "PEM", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArguments {
    pub(super) fn server(&self) -> Result<Option<TlsServer>, RunError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(TlsServer::from_files(certificate, key)?)),
            // Neither without the other: the arguments' own rule.
            _ => Ok(None),
        }
    }
}
