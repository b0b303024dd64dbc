//! Sessions: open, show, suspend, resume and close them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use prospect_source::without_secrets;
use serde_json::{Value, json};

use super::extract::Body;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::order::SessionOrder;
use crate::session::{LiveSession, State as SessionState};
use crate::state::Shared;

/// A session as JSON for clients.
pub(super) fn shown(state: &Shared, session: &LiveSession) -> Value {
    let (figures, order) = (session.figures(), session.order());
    let mut shown = json!({
        "id": session.id,
        "object": "streaming.session",
        "model": state.backend.model(),
        "name": order.name,
        "camera": order.camera,
        "source": order.source.as_deref().map(without_secrets),
        "owner": if session.is_servers() { "server" } else { "you" },
        "figures": figures,
        "last_event": session.log.last(),
    });
    // Both values are JSON objects.
    if let (Some(all), Value::Object(state)) =
        (shown.as_object_mut(), serde_json::to_value(session.state()).unwrap_or_default())
    {
        all.extend(state);
    }
    shown
}

/// Runs work that blocks, on a model's thread or a disk, outside the threads that serve connections.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the work could not be done"))
    })
}

pub(super) async fn open(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let session = open_session(&state, caller, SessionOrder::parse(&body)?).await?;
    Ok((StatusCode::CREATED, Json(shown(&state, &session))))
}

/// Opens a session, unless the server is shutting down.
pub(super) async fn open_session(
    state: &Shared,
    caller: Caller,
    order: SessionOrder,
) -> Result<Arc<LiveSession>, ApiError> {
    let shared = Arc::clone(state);
    let session = aside(move || shared.sessions.open(caller, &order)).await;
    state.metrics.asked(session.is_ok());
    let session = session?;
    tracing::info!(session = session.id, "opened");
    Ok(session)
}

pub(super) async fn list(State(state): State<Shared>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let sessions: Vec<Value> =
        state.sessions.of(caller).iter().map(|session| shown(&state, session)).collect();
    Json(json!({ "object": "list", "data": sessions }))
}

pub(super) async fn show(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let session = state.sessions.get(caller, &id)?;
    Ok(Json(shown(&state, &session)))
}

/// The error for a session that takes no more input.
pub(super) fn over(session: &LiveSession) -> ApiError {
    ApiError::over(match session.state() {
        SessionState::Suspended => "the session is suspended: expected POST .../resume first".to_owned(),
        SessionState::Failed(reason) => format!("the session has failed: {reason}"),
        SessionState::Over | SessionState::Watching => "the session has come to its end".to_owned(),
    })
}

pub(super) async fn close(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let shared = Arc::clone(&state);
    aside(move || shared.sessions.remove(caller, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn suspend(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let shared = Arc::clone(&state);
    let session = aside(move || shared.sessions.suspend(caller, &id)).await?;
    Ok(Json(shown(&state, &session)))
}

pub(super) async fn resume(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let shared = Arc::clone(&state);
    let session = aside(move || shared.sessions.resume(caller, &id)).await?;
    Ok(Json(shown(&state, &session)))
}
