//! Pictures embedded in a request as `data:` addresses. Other addresses are never opened here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::ApiError;

/// Decodes base64. `key` is the part of the request that has the text.
pub(crate) fn decoded(key: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    BASE64_STANDARD
        .decode(text.trim())
        .map_err(|error| ApiError::bad_request(format!("{key}: {error}: expected base64")))
}

/// The bytes of an address `data:...;base64,...`. `key` is the part of the request that has the address.
pub(crate) fn bytes_of(key: &str, address: &str) -> Result<Vec<u8>, ApiError> {
    match address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((_, text)) => decoded(key, text),
        None => Err(ApiError::bad_request(format!(
            "{key}: expected data:...;base64,...: this server fetches nothing from an address in a request"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_an_address_is_taken() {
        assert_eq!(bytes_of("image_url", "data:image/png;base64,AAEC").unwrap(), [0, 1, 2]);
        for wrong in [
            "http://127.0.0.1/x.png",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "data:image/png,abc",
            "data:image/png;base64,###",
            "",
        ] {
            assert!(bytes_of("video_url", wrong).unwrap_err().message.starts_with("video_url: "), "{wrong}");
        }
    }
}
