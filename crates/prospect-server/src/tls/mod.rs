//! TLS: certificates from PEM files, the server's side, and the client's side for brokers.

mod client;
mod error;
mod pem;
mod server;

pub(crate) use client::TlsClient;
pub use error::TlsError;
pub use server::TlsServer;
