//! Changes of a running session: prompts, threshold and strategy.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use prospect_session::OpeningTexts;
use serde_json::Value;

use super::extract::Body;
use super::sessions::{aside, over, shown};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::order::{SessionOrder, check_text};
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

/// Makes a change. Settings come first, since the stream may refuse them.
///
/// # Errors
/// The change is empty or invalid, or the session does not run.
pub(super) async fn make(
    state: &Shared,
    session: &Arc<LiveSession>,
    change: SessionOrder,
) -> Result<(), ApiError> {
    session.check_changeable()?;
    session.order().changed_by(&change)?;
    if change.system_prompt.is_none() && !change.asks_for_settings() {
        return Err(ApiError::bad_request(
            "nothing to change: expected system_prompt, not_talk_threshold, strategy or settings",
        ));
    }
    for text in [&change.system_prompt, &change.task_knowledge].into_iter().flatten() {
        check_text(text, &state.limits)?;
    }
    let (state, session) = (Arc::clone(state), Arc::clone(session));
    aside(move || {
        if change.asks_for_settings() {
            state.sessions.change_settings(&session, &change)?;
        }
        let SessionOrder { system_prompt: Some(system_prompt), task_knowledge, .. } = change else {
            return Ok(());
        };
        let opening = OpeningTexts { system_prompt, task_knowledge };
        let set = session.with_stream(|stream| stream.set_opening(opening));
        set.ok_or_else(|| over(&session))?.map_err(ApiError::from)
    })
    .await
}
