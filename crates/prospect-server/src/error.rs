//! Error responses: one JSON object in the shape of OpenAI's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use prospect_foreign::one_line;
use serde_json::json;

use crate::backend::OpenError;

/// An error response with its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Identifier of the error for programs.
    pub(crate) code: &'static str,
    /// Message for people, in one line.
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self { status, code, message: one_line(message) }
    }

    /// The request is invalid.
    pub(crate) fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// The session does not exist or belongs to somebody else. The response is the same, so that nobody
    /// learns which.
    pub(crate) fn no_session(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "session_not_found", format!("there is no session {id:?}"))
    }

    /// The caller is not allowed to do this.
    pub(crate) fn forbidden(message: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Too many of something at the moment.
    pub(crate) fn too_many(message: impl ToString) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message)
    }

    /// Something is too large.
    pub(crate) fn too_large(message: impl ToString) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The session has ended.
    pub(crate) fn over(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "session_over", message)
    }

    /// The kind of the error, with the names of OpenAI's API.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }

    pub(crate) fn body(&self) -> serde_json::Value {
        let Self { code, message, .. } = self;
        json!({ "error": { "message": message, "type": self.kind(), "code": code, "param": null } })
    }
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        let (status, code) = match error {
            OpenError::Refused(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            OpenError::Over(_) => (StatusCode::CONFLICT, "session_over"),
            OpenError::NoRoom(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_room"),
            OpenError::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        Self::new(status, code, error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}
