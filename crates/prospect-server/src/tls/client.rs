//! The client's side of TLS, for brokers.

use std::io;
use std::path::Path;
use std::sync::Arc;

use prospect_foreign::one_line;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::TlsError;
use super::pem::certificates;

/// The trusted root certificates of outgoing connections.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts the root certificates of browsers, or those in a PEM file instead.
    ///
    /// # Errors
    /// The file has no certificates, or they are not valid roots.
    pub(crate) fn new(argument: &'static str, roots_file: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let path = roots_file.unwrap_or(Path::new("")).to_owned();
        let rejected = |error: tokio_rustls::rustls::Error| TlsError::Rejected {
            argument,
            path: path.clone(),
            problem: one_line(error),
        };
        match roots_file {
            Some(file) => {
                for certificate in certificates(argument, file)? {
                    roots.add(certificate).map_err(rejected)?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(rejected)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Performs the handshake with a server that must be `host`.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}
