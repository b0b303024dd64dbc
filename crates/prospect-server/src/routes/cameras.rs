//! Cameras that the server reads itself: list, add and remove them while the server runs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Body;
use super::sessions::aside;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::json_object::object;
use crate::state::Shared;

/// The body of `POST /v1/streaming/cameras`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCamera {
    name: String,
    source: String,
}

pub(super) async fn list(State(state): State<Shared>, Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "object": "list", "data": state.sources.shown(caller) }))
}

pub(super) async fn add(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let NewCamera { name, source } = object(&body)?;
    let camera = aside(move || state.sources.add(caller, &name, &source)).await?;
    Ok((StatusCode::CREATED, Json(camera)))
}

/// Sessions that watch the camera are suspended, so that nothing uses the camera any more.
pub(super) async fn remove(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let shared = Arc::clone(&state);
    aside(move || {
        shared.sources.remove(caller, &name)?;
        shared.sessions.release_camera(caller, &name);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
