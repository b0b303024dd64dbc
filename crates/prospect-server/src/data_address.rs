//! Pictures embedded in a request as `data:` addresses. Other addresses are never opened here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::ApiError;

/// Decodes base64.
pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, ApiError> {
    BASE64_STANDARD
        .decode(text.trim())
        .map_err(|error| ApiError::bad_request(format!("the image: {error}: expected base64")))
}

/// The bytes of an address `data:image/...;base64,...`.
pub(crate) fn bytes_of(address: &str) -> Result<Vec<u8>, ApiError> {
    match address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((_, text)) => decoded(text),
        None => Err(ApiError::bad_request(
            "image_url: expected data:image/...;base64,...: this server fetches nothing from an address in a request",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_an_address_is_taken() {
        assert_eq!(bytes_of("data:image/png;base64,AAEC").unwrap(), [0, 1, 2]);
        for wrong in [
            "http://127.0.0.1/x.png",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "data:image/png,abc",
            "data:image/png;base64,###",
            "",
        ] {
            assert!(bytes_of(wrong).is_err(), "{wrong}");
        }
    }
}
