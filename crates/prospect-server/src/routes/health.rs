//! Health checks and metrics.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::state::Shared;

/// Content type of the metrics, as prometheus-client writes them.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Liveness: the server answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Readiness: the server accepts sessions. It does not while it shuts down.
pub(super) async fn ready(State(state): State<Shared>) -> Response {
    match state.sessions.is_ending() {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response(),
    }
}

pub(super) async fn metrics(State(state): State<Shared>) -> Response {
    let text = state.metrics.text(state.sessions.count(), state.backend.load());
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
