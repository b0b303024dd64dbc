//! What a session sees: its next frame as a JPEG.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::sessions::{aside, over};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::session::State as SessionState;
use crate::small_jpeg::SmallJpeg;
use crate::state::Shared;

/// Waits for the session's next frame, and answers with a JPEG of at most 640 pixels on its longer side. The headers `X-Frame-Index` and
/// `X-Frame-Time` say which frame it is.
pub(super) async fn next_frame(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let session = state.sessions.get(caller, &id)?;
    let many = || ApiError::too_many("others wait for the session's next frame: expected fewer at a time");
    let frame = session.viewers.next_frame().ok_or_else(many)?;
    // Asked behind the registration: a session that ends from now on sends this viewer away.
    if session.state() != SessionState::Watching {
        return Err(over(&session));
    }
    let until = Instant::now() + state.limits.request;
    let frame = tokio::time::timeout_at(until, frame).await.map_err(|_| {
        let message = "no frame came meanwhile: expected one";
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "no_frame", message)
    })?;
    let frame = frame.map_err(|_| over(&session))?;
    let headers = [
        (CONTENT_TYPE.as_str(), "image/jpeg".to_owned()),
        (CACHE_CONTROL.as_str(), "no-store".to_owned()),
        ("x-frame-index", frame.index.to_string()),
        ("x-frame-time", frame.time.to_string()),
    ];
    let empty =
        || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the frame has no pixels");
    // As many pictures are scaled and encoded at once as are decoded.
    let _turn = state.picture_turn(until, "other pictures are encoded: expected fewer at a time").await?;
    let jpeg = aside(move || SmallJpeg::of(&frame.picture).ok_or_else(empty)).await?;
    Ok((headers, jpeg.bytes).into_response())
}
