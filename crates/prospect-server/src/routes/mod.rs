//! All routes, and their access checks.

mod bodies;
mod cameras;
mod changes;
mod chat;
mod door;
mod events;
mod extract;
mod frames;
mod health;
mod messages;
mod models;
mod page;
mod realtime;
mod sessions;
mod trace;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{delete, get, post};

use crate::error::ApiError;
use crate::state::Shared;

/// Path of the sessions. A test compares docs/openapi.json with the routes below.
pub(crate) const SESSIONS: &str = "/v1/streaming/sessions";

async fn unknown_path(uri: Uri) -> ApiError {
    let message = format!("there is no path {:?}", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, "unknown_path", message)
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("{method} does not go with {:?}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
}

/// The router of all routes.
pub(crate) fn router(state: Shared) -> Router {
    let of_session = |rest: &str| format!("{SESSIONS}/{{id}}{rest}");
    let guarded = Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route(SESSIONS, get(sessions::list).post(sessions::open))
        .route(&of_session(""), get(sessions::show).patch(changes::change).delete(sessions::close))
        .route(&of_session("/frames"), post(frames::push))
        .route(&of_session("/frame"), get(view::next_frame))
        .route(&of_session("/messages"), post(messages::say))
        .route(&of_session("/events"), get(events::stream))
        .route(&of_session("/trace"), get(trace::download))
        .route(&of_session("/suspend"), post(sessions::suspend))
        .route(&of_session("/resume"), post(sessions::resume))
        .route("/v1/streaming/cameras", get(cameras::list).post(cameras::add))
        .route("/v1/streaming/cameras/{name}", delete(cameras::remove))
        .route("/v1/chat/completions", post(chat::complete))
        .route(&of_session("/chat/completions"), post(chat::complete_in))
        .route(&of_session("/models"), get(models::list))
        .route("/v1/realtime", get(realtime::connect))
        .route("/metrics", get(health::metrics))
        .route_layer(middleware::from_fn_with_state(state.clone(), door::authenticate));
    let open = Router::new()
        .route("/", get(page::index))
        .route("/page.js", get(page::script))
        .route("/pictures.js", get(page::pictures))
        .route("/page.css", get(page::style))
        .route("/about.json", get(page::about))
        .route("/demo.mp4", get(page::demo))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/openapi.json", get(page::description));
    guarded
        .merge(open)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(state.limits.body_bytes))
        .layer(middleware::from_fn_with_state(state.clone(), bodies::bound))
        .layer(middleware::from_fn_with_state(state.clone(), door::check_page))
        .with_state(state)
}
