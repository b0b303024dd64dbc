//! Whether the server is well, and its figures.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::state::Shared;

/// The type of figures, as prometheus-client writes them.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// It answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// It takes sessions; not while it comes to its end.
pub(super) async fn ready(State(state): State<Shared>) -> Response {
    match state.is_ending() {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response(),
    }
}

pub(super) async fn metrics(State(state): State<Shared>) -> Response {
    let text = state.metrics.text(state.sessions.count(), state.backend.load());
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
