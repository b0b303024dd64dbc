//! The served model, in the format of OpenAI's list of models.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::Shared;

fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "prospect" })
}

pub(super) async fn list(State(state): State<Shared>) -> Json<Value> {
    Json(json!({ "object": "list", "data": [model(state.backend.model())] }))
}

pub(super) async fn one(
    State(state): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    match id == state.backend.model() {
        true => Ok(Json(model(&id))),
        false => {
            Err(ApiError::new(StatusCode::NOT_FOUND, "model_not_found", format!("there is no model {id:?}")))
        }
    }
}
