//! Bodies of requests that are JSON objects.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Reads an object. A list is refused: it would be read as the values of the keys in their order.
///
/// # Errors
/// The text is not an object of this kind; the message is one line.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let keys: Map<String, Value> = serde_json::from_slice(body).map_err(ApiError::bad_request)?;
    serde_json::from_value(keys.into()).map_err(ApiError::bad_request)
}
