//! Extractors for handlers. Invalid requests get an error response in JSON like all others.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::bodies::BodyError;
use crate::error::ApiError;

/// The whole body of a request.
pub(super) struct Body(pub(super) Bytes);

/// The query parameters of a request.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self).map_err(|error| refused(error.status(), &error))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|error| refused(error.status(), &error))
    }
}

/// The error for a part of a request that is incomplete, too large or invalid.
pub(super) fn refused(status: StatusCode, error: &(impl Error + 'static)) -> ApiError {
    match (BodyError::among(error), status) {
        (Some(error), _) => error.into(),
        (None, StatusCode::PAYLOAD_TOO_LARGE) => ApiError::too_large(error),
        (None, _) => ApiError::bad_request(error),
    }
}
