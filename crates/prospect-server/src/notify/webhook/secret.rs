//! The secret that the server shares with the receivers of webhooks, and its signatures.

use std::fmt::Write;
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::notify::error::NotifyError;

const ARGUMENT: &str = "--webhook-secret-file";
/// Fewest characters of a secret. A shorter one could be guessed.
const LEAST_LETTERS: usize = 16;

/// Signs request bodies. The secret itself is not kept.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl WebhookSecret {
    /// Reads the secret from a file. White space around it is removed.
    ///
    /// # Errors
    /// The file cannot be read, or the secret is too short.
    pub fn from_file(path: &Path) -> Result<Self, NotifyError> {
        let unreadable =
            |source| NotifyError::Unreadable { argument: ARGUMENT, path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let secret = text.trim();
        let short = || NotifyError::ShortSecret { path: path.to_owned(), least: LEAST_LETTERS };
        if secret.chars().count() < LEAST_LETTERS {
            return Err(short());
        }
        // HMAC accepts keys of any length.
        Hmac::new_from_slice(secret.as_bytes()).map(Self).map_err(|_| short())
    }

    /// The signature of a body, in the form of the header.
    pub(super) fn sign(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        let mut signature = String::from("sha256=");
        for byte in mac.finalize().into_bytes() {
            // Writing to a string cannot fail.
            let _ = write!(signature, "{byte:02x}");
        }
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<WebhookSecret, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        WebhookSecret::from_file(&path).map_err(|error| error.to_string().replace(&shown, "FILE"))
    }

    #[test]
    fn signatures_are_those_of_every_other_hmac() {
        // printf body | openssl dgst -sha256 -hmac a-secret-of-some-length
        let expected = "sha256=222ae91d97ce2d51d2741e6a9d6fd2c1cafdd18f3ee155a22018034f2b13f519";
        let signed = of("a-secret-of-some-length\n").unwrap().sign(b"body");
        assert_eq!(signed, expected);
    }

    #[test]
    fn a_secret_that_is_none_is_refused_in_one_line() {
        let short = "--webhook-secret-file FILE: expected a secret of at least 16 letters";
        assert_eq!(of("  short  \n").err().unwrap(), short);
        let missing = WebhookSecret::from_file(Path::new("/nowhere/secret")).err().unwrap().to_string();
        assert!(missing.starts_with("--webhook-secret-file /nowhere/secret: cannot be read"), "{missing}");
    }
}
