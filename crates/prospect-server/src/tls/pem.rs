//! Reads certificates and keys from PEM files.

use std::path::Path;

use prospect_foreign::one_line;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

/// All certificates in a file; at least one.
pub(super) fn certificates(
    argument: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(argument, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found.map_err(|error| not_pem(argument, path, &error))? {
        none if none.is_empty() => Err(TlsError::NoCertificate { argument, path: path.to_owned() }),
        certificates => Ok(certificates),
    }
}

/// The first private key in a file.
pub(super) fn private_key(argument: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&read(argument, path)?) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => Err(TlsError::NoKey { argument, path: path.to_owned() }),
        Err(error) => Err(not_pem(argument, path, &error)),
    }
}

fn read(argument: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { argument, path: path.to_owned(), source })
}

fn not_pem(argument: &'static str, path: &Path, error: &PemError) -> TlsError {
    TlsError::NotPem { argument, path: path.to_owned(), problem: one_line(error) }
}
