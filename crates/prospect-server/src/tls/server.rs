//! The server's side of TLS.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prospect_foreign::one_line;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::error::TlsError;
use super::pem::{certificates, private_key};

/// Time limit of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const CERTIFICATE: &str = "--tls-cert";

/// The server's certificate and key.
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl TlsServer {
    /// Reads the certificate from a PEM file, followed by the certificates that lead to its root, and
    /// its key from another file.
    ///
    /// # Errors
    /// A [`TlsError`].
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(CERTIFICATE, certificate)?;
        let private = private_key("--tls-key", key)?;
        let rejected = |error: Error| match error {
            Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            error => TlsError::Rejected {
                argument: CERTIFICATE,
                path: certificate.to_owned(),
                problem: one_line(error),
            },
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(rejected)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(rejected)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Performs the handshake with a client, within a time limit.
    pub(crate) async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
    ) -> io::Result<TlsStream<T>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake did not come to its end");
        tokio::time::timeout(HANDSHAKE, self.0.accept(stream)).await.map_err(late)?
    }
}
