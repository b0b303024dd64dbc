//! The server's page: one document, two scripts and a style sheet, all served from here.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::backend::About;
use crate::error::ApiError;
use crate::state::Shared;

/// Content security policy: no other server is contacted, and no other page may embed this one.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

pub(super) async fn index() -> Response {
    asset("text/html; charset=utf-8", include_str!("../page/index.html"))
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../page/page.js"))
}

pub(super) async fn pictures() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../page/pictures.js"))
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../page/page.css"))
}

/// Data for the page: model, default settings, cameras and the demonstration.
pub(super) async fn about(State(state): State<Shared>) -> Json<Value> {
    let About { fps, strategies, demo, .. } = state.backend.about();
    let demo = demo.map(|demo| json!({ "system_prompt": demo.system_prompt }));
    Json(json!({ "model": state.backend.model(), "fps": fps, "strategies": strategies, "demo": demo }))
}

/// The demonstration video. It is small, so it is sent in one piece.
pub(super) async fn demo(State(state): State<Shared>) -> Response {
    let video = match state.backend.about().demo {
        Some(demo) => tokio::fs::read(demo.video).await.ok(),
        None => None,
    };
    match video {
        Some(bytes) => ([(CONTENT_TYPE, "video/mp4")], bytes).into_response(),
        None => ApiError::new(StatusCode::NOT_FOUND, "no_demo", "there is no demonstration").into_response(),
    }
}

/// The API description, docs/openapi.json.
pub(super) async fn description() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("../../../../docs/openapi.json")).into_response()
}
