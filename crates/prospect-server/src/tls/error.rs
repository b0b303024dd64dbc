//! Errors of certificates and keys.

use std::path::PathBuf;

/// Why TLS cannot be used. Every message is one line and names the command line option.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{argument} {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file is damaged.
    #[error("{argument} {}: {problem}: expected PEM", path.display())]
    NotPem {
        /// The option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// The parser's message.
        problem: String,
    },
    /// A file has no certificate.
    #[error("{argument} {}: no certificate: expected PEM with BEGIN CERTIFICATE", path.display())]
    NoCertificate {
        /// The option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file has no usable private key.
    #[error("{argument} {}: no private key: expected PEM with BEGIN PRIVATE KEY, and no passphrase", path.display())]
    NoKey {
        /// The option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key does not belong to the certificate.
    #[error("--tls-key {}: is not the key of --tls-cert {}: expected the two to belong together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library rejects a certificate.
    #[error("{argument} {}: {problem}: expected a certificate that TLS can use", path.display())]
    Rejected {
        /// The option that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// The library's message.
        problem: String,
    },
}
