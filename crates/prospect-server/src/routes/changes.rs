//! Changes of a running session: prompts, threshold and strategy.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::Value;

use super::extract::Body;
use super::sessions::{aside, shown};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::order::SessionOrder;
use crate::session::LiveSession;
use crate::state::Shared;

pub(super) async fn change(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let session = state.sessions.get(caller, &id)?;
    make(&state, &session, SessionOrder::parse(&body)?).await?;
    Ok(Json(shown(&state, &session)))
}

/// Makes a change: all of it, or nothing.
///
/// # Errors
/// The change is empty or invalid, or the session does not run.
pub(super) async fn make(
    state: &Shared,
    session: &Arc<LiveSession>,
    change: SessionOrder,
) -> Result<(), ApiError> {
    session.check_changeable()?;
    if change.is_empty() {
        return Err(ApiError::bad_request(
            "nothing to change: expected system_prompt, task_knowledge, not_talk_threshold, strategy or settings",
        ));
    }
    let (state, session) = (Arc::clone(state), Arc::clone(session));
    aside(move || state.sessions.change(&session, &change)).await
}
