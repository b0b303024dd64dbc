//! Sessions: opened, looked at, changed, written down, closed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use prospect_session::OpeningTexts;
use prospect_source::without_secrets;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Body;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::order::{SessionOrder, check_text};
use crate::session::{LiveSession, State as SessionState};
use crate::state::Shared;

/// A session as clients see it.
fn shown(state: &Shared, session: &LiveSession) -> Value {
    let figures = session.figures();
    let mut shown = json!({
        "id": session.id,
        "object": "streaming.session",
        "model": state.backend.model(),
        "name": session.order.name,
        "camera": session.order.camera,
        "source": session.order.source.as_deref().map(without_secrets),
        "owner": if session.is_servers() { "server" } else { "you" },
        "figures": figures,
        "last_event": session.log.last(),
    });
    // Both are objects.
    if let (Some(all), Value::Object(state)) =
        (shown.as_object_mut(), serde_json::to_value(session.state()).unwrap_or_default())
    {
        all.extend(state);
    }
    shown
}

/// What takes a model's thread, or a disk, is not done on the threads that serve connections.
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

/// # Errors
/// The server is about to end: what would begin now would be cut off.
fn check_not_ending(state: &Shared) -> Result<(), ApiError> {
    match state.is_ending() {
        true => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "the server comes to its end")),
        false => Ok(()),
    }
}

/// Opens a session, unless the server is about to end.
pub(super) async fn open_session(
    state: &Shared,
    caller: Caller,
    order: SessionOrder,
) -> Result<Arc<LiveSession>, ApiError> {
    let shared = Arc::clone(state);
    let session = aside(move || {
        check_not_ending(&shared)?;
        shared.sessions.open(caller, &order)
    })
    .await;
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

/// What can be changed of a session that goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(alias = "instructions")]
    system_prompt: Option<String>,
    task_knowledge: Option<String>,
}

pub(super) async fn change(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let Change { system_prompt, task_knowledge } =
        serde_json::from_slice(&body).map_err(ApiError::bad_request)?;
    let Some(system_prompt) = system_prompt else {
        return Err(ApiError::bad_request("system_prompt: missing: expected the new prompt"));
    };
    let session = state.sessions.get(caller, &id)?;
    change_opening(&state, &session, system_prompt, task_knowledge).await?;
    Ok(Json(shown(&state, &session)))
}

/// Another prompt for a session that goes on.
pub(super) async fn change_opening(
    state: &Shared,
    session: &Arc<LiveSession>,
    system_prompt: String,
    task_knowledge: Option<String>,
) -> Result<(), ApiError> {
    for text in [Some(&system_prompt), task_knowledge.as_ref()].into_iter().flatten() {
        check_text(text, &state.limits)?;
    }
    session.check_changeable()?;
    let asked = Arc::clone(session);
    aside(move || {
        let opening = OpeningTexts { system_prompt, task_knowledge };
        let set = asked.with_stream(|stream| stream.set_opening(opening));
        set.ok_or_else(|| over(&asked))?.map_err(ApiError::from)
    })
    .await
}

/// A session that takes nothing more.
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
    let session = aside(move || {
        check_not_ending(&shared)?;
        shared.sessions.resume(caller, &id)
    })
    .await?;
    Ok(Json(shown(&state, &session)))
}
