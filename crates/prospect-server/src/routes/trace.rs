//! Downloads the trace of a session as far as it is written.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt;

use crate::error::ApiError;
use crate::guard::Caller;
use crate::state::Shared;

/// Name of the trace file in a session's folder.
const TRACE_FILE: &str = "trace.jsonl";
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Sends whole lines of JSON. The file is sent while it is read, because it can have any length.
pub(super) async fn download(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let session = state.sessions.get(caller, &id)?;
    let unreadable = |_| ApiError::new(StatusCode::NOT_FOUND, "no_trace", "the session has no trace yet");
    let file = tokio::fs::File::open(session.folder.join(TRACE_FILE)).await.map_err(unreadable)?;
    // Events that are written after this point are not sent.
    let left = file.metadata().await.map_err(unreadable)?.len();
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(pieces(file, left))).into_response())
}

/// The first `left` bytes of a file, read when needed.
fn pieces(
    file: tokio::fs::File,
    left: u64,
) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    futures_util::stream::unfold((file, left), |(mut file, left)| async move {
        let mut piece = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        if piece.is_empty() {
            return None;
        }
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), (file, left.saturating_sub(read as u64))))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    })
}
