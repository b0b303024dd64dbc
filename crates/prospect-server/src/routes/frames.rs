//! Frames that a client pushes, and their results.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use image::RgbImage;
use prospect_source::PushError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::extract::{Asked, refused};
use super::sessions::over;
use crate::error::ApiError;
use crate::guard::{Caller, Limits};
use crate::picture::decoded;
use crate::session::{FrameResult, LiveSession, State as SessionState};
use crate::state::Shared;

/// Interval at which a full queue is tried again.
const ROOM: Duration = Duration::from_millis(10);
/// Header with a frame's time stamp, in seconds.
const FRAME_TIME: &str = "x-frame-time";

/// The latest time of a frame, in seconds: 300 years. Later times would lose the distance between frames.
const MOST_SECONDS: f64 = 1e10;

/// Query parameters of a push.
#[derive(Debug, Deserialize)]
pub(super) struct Pushing {
    /// Stream time of a single frame, in seconds. Without it the frame gets its time of arrival.
    time: Option<f64>,
    /// Whether to wait for the results of the frames.
    #[serde(default = "yes")]
    wait: bool,
}

fn yes() -> bool {
    true
}

/// The bytes of a picture, and its time stamp.
struct Given {
    bytes: Bytes,
    time: Option<f64>,
}

/// Takes one picture as the body, or several in a form: `frame` parts, each with a header or preceded
/// by a `time` part.
pub(super) async fn push(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(pushing): Asked<Pushing>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let session = state.sessions.get(caller, &id)?;
    let until = Instant::now() + state.limits.request;
    let given = pictures(request, pushing.time, &state.limits).await?;
    let (mut frames, mut refused) = (Vec::new(), None);
    for given in given {
        match taken(&state, &session, given, pushing.wait, until).await {
            Ok(frame) => frames.push(frame),
            // Frames that went in stay in. The client is told what became of them.
            Err(error) if !frames.is_empty() => {
                refused = Some(error.body());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    session.touch();
    let status = if pushing.wait { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut answer = json!({ "object": "streaming.frames", "frames": frames });
    if let Some(refused) = refused {
        answer["refused"] = refused;
    }
    Ok((status, Json(answer)))
}

/// What became of a picture: its result, or its number and time if the client does not wait.
async fn taken(
    state: &Shared,
    session: &LiveSession,
    given: Given,
    waits: bool,
    until: Instant,
) -> Result<Value, ApiError> {
    let (index, time) = push_one(state, session, given, waits, until).await?;
    match waits {
        // A result always serializes.
        true => Ok(serde_json::to_value(result(session, index, until).await?).unwrap_or_default()),
        false => Ok(json!({ "index": index, "time": time })),
    }
}

/// Pushes a picture without waiting for free space in the queue or for its result.
pub(super) async fn push_now(
    state: &Shared,
    session: &LiveSession,
    bytes: Bytes,
    time: Option<f64>,
) -> Result<(), ApiError> {
    let until = Instant::now() + state.limits.request;
    push_one(state, session, Given { bytes, time }, false, until).await.map(drop)
}

/// Pushes a decoded picture, and waits for free space in the queue. Returns the frame's number.
pub(super) async fn push_picture(
    session: &LiveSession,
    image: Arc<RgbImage>,
    until: Instant,
) -> Result<usize, ApiError> {
    let _alone = alone(session, until).await?;
    pushed(session, image, None, true, until).await.map(|(index, _)| index)
}

/// Decodes a picture and pushes it. Pictures of one session are handled one at a time.
async fn push_one(
    state: &Shared,
    session: &LiveSession,
    Given { bytes, time }: Given,
    waits: bool,
    until: Instant,
) -> Result<(usize, f64), ApiError> {
    if let Some(time) = time.filter(|time| *time > MOST_SECONDS) {
        return Err(ApiError::bad_request(format!(
            "the time {time}: expected at most {MOST_SECONDS} seconds"
        )));
    }
    let _alone = alone(session, until).await?;
    let image = decoded_aside(state, bytes, until).await?;
    pushed(session, image, time, waits, until).await
}

/// Waits until no other picture of the session is being decoded or pushed.
async fn alone(session: &LiveSession, until: Instant) -> Result<tokio::sync::MutexGuard<'_, ()>, ApiError> {
    tokio::time::timeout_at(until, session.pushing.lock()).await.map_err(|_| {
        ApiError::too_many("other frames of the session are on their way: expected fewer at a time")
    })
}

/// Decodes a picture on a blocking thread. At most as many pictures as there are cores are decoded at
/// the same time.
pub(super) async fn decoded_aside(
    state: &Shared,
    bytes: Bytes,
    until: Instant,
) -> Result<Arc<RgbImage>, ApiError> {
    let turn = state.picture_turn(until, "too many pictures wait to be decoded").await?;
    let most_pixels = state.limits.pixels;
    let decoded = tokio::task::spawn_blocking(move || decoded(&bytes, most_pixels)).await;
    drop(turn);
    decoded.unwrap_or_else(|_| Err(ApiError::bad_request("the picture cannot be decoded"))).map(Arc::new)
}

async fn pictures(request: Request, time: Option<f64>, limits: &Limits) -> Result<Vec<Given>, ApiError> {
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_form {
        let time = time.or(stamp(request.headers())?);
        let bytes =
            Bytes::from_request(request, &()).await.map_err(|error| refused(error.status(), &error))?;
        return Ok(vec![Given { bytes, time }]);
    }
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|error| refused(error.status(), &error))?;
    let (mut given, mut next_time) = (Vec::new(), time);
    while let Some(part) = form.next_field().await.map_err(|error| refused(error.status(), &error))? {
        let (name, own_time) = (part.name().unwrap_or_default().to_owned(), stamp(part.headers())?);
        let bytes = part.bytes().await.map_err(|error| refused(error.status(), &error))?;
        match name.as_str() {
            "time" => next_time = Some(seconds(&String::from_utf8_lossy(&bytes))?),
            "frame" | "frames" | "image" | "file" => {
                if given.len() >= limits.frames_a_request {
                    let most = limits.frames_a_request;
                    return Err(ApiError::too_large(format!("more than {most} frames in one request")));
                }
                given.push(Given { bytes, time: own_time.or(next_time.take()) });
            }
            other => {
                return Err(ApiError::bad_request(format!(
                    "the form's part {other:?}: expected frame or time"
                )));
            }
        }
    }
    match given.is_empty() {
        true => Err(ApiError::bad_request("no frame: expected a picture (JPEG, PNG or WebP)")),
        false => Ok(given),
    }
}

fn stamp(headers: &HeaderMap) -> Result<Option<f64>, ApiError> {
    let stamp = headers.get(FRAME_TIME).map(|value| value.to_str().unwrap_or_default());
    stamp.map(seconds).transpose()
}

fn seconds(text: &str) -> Result<f64, ApiError> {
    let text = text.trim();
    text.parse()
        .map_err(|_| ApiError::bad_request(format!("the time {text:?}: expected a number of seconds")))
}

/// Pushes a frame. Waits for free space in the queue if the client does.
async fn pushed(
    session: &LiveSession,
    image: Arc<RgbImage>,
    time: Option<f64>,
    waits: bool,
    until: Instant,
) -> Result<(usize, f64), ApiError> {
    if !session.is_pushed() {
        return Err(ApiError::over("the session watches a camera: expected no frames"));
    }
    loop {
        let pusher = session.pusher().filter(|_| session.state() == SessionState::Watching);
        let pusher = pusher.ok_or_else(|| over(session))?;
        match pusher.push(Arc::clone(&image), time) {
            Ok(pushed) => return Ok(pushed),
            Err(PushError::Full { .. }) if waits && Instant::now() < until => tokio::time::sleep(ROOM).await,
            Err(error @ PushError::Full { .. }) => return Err(ApiError::too_many(error)),
            Err(error @ PushError::NotLater { .. }) => return Err(ApiError::bad_request(error)),
            Err(PushError::Ended) => return Err(over(session)),
        }
    }
}

/// Waits for the result of a frame.
pub(super) async fn result(
    session: &LiveSession,
    index: usize,
    until: Instant,
) -> Result<FrameResult, ApiError> {
    let mut changes = session.log.changes();
    loop {
        changes.borrow_and_update();
        if let Some(result) = session.take_result(index) {
            return Ok(result);
        }
        if session.state() != SessionState::Watching {
            return Err(over(session));
        }
        match tokio::time::timeout_at(until, changes.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(over(session)),
            Err(_) => {
                return Err(ApiError::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "too_slow",
                    format!("frame {index} is in, and the model has not come to it yet"),
                ));
            }
        }
    }
}
