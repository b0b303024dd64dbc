//! What is wrong with certificates and keys.

use std::path::PathBuf;

/// Why there is no TLS. Every message is one line and names the argument.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
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
    /// A file that is damaged.
    #[error("{argument} {}: {problem}: expected PEM", path.display())]
    NotPem {
        /// The argument that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file without a certificate.
    #[error("{argument} {}: no certificate: expected PEM with BEGIN CERTIFICATE", path.display())]
    NoCertificate {
        /// The argument that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file without a private key that can be used.
    #[error("{argument} {}: no private key: expected PEM with BEGIN PRIVATE KEY, and no passphrase", path.display())]
    NoKey {
        /// The argument that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A key of another certificate.
    #[error("--tls-key {}: is not the key of --tls-cert {}: expected the two to belong together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate that TLS does not take.
    #[error("{argument} {}: {problem}: expected a certificate that TLS can use", path.display())]
    Rejected {
        /// The argument that names the file.
        argument: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}
