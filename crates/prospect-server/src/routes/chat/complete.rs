//! The request: what it asks for, and who answers.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::time::Instant;

use super::super::extract::Body;
use super::answering::{Answering, SESSION};
use super::request::Asked;
use super::{alone, in_session};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::json_object::object;
use crate::state::Shared;

/// A conversation that is answered by itself, or in the session that its body or its header names.
pub(in super::super) async fn complete(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    // A header that is no text names no session.
    let named = headers.get(SESSION).map(|name| name.to_str().unwrap_or_default().to_owned());
    answer(state, caller, named, &body).await
}

/// A conversation in the session that the path names: for clients that can be given a base address and nothing else.
pub(in super::super) async fn complete_in(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    answer(state, caller, Some(session), &body).await
}

/// Answers a request. `named` is the session that path or header names; one that the body names comes first.
async fn answer(
    state: Shared,
    caller: Caller,
    named: Option<String>,
    body: &[u8],
) -> Result<Response, ApiError> {
    let mut asked: Asked = object(body)?;
    let until = Instant::now() + state.limits.request;
    if let Some(model) = asked.model.as_deref().filter(|model| *model != state.backend.model()) {
        let message = format!("the model {model:?} is not served: expected {:?}", state.backend.model());
        return Err(ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message));
    }
    asked.check_possible()?;
    let answering = Answering::new(state.backend.model(), asked.stops(), asked.wants_usage())?;
    match asked.session.take().or(named) {
        Some(session) => in_session::answer(state, (caller, session), asked, answering, until).await,
        None => alone::answer(state, asked, answering, until).await,
    }
}
