//! Checks every request before it reaches a handler.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL, VARY,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::state::Shared;

/// Methods and headers that allowed pages of other origins may use (CORS).
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, last-event-id, x-frame-time, x-prospect-session");

/// Response headers that such pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-prospect-session, x-frame-index, x-frame-time");

/// WebSocket subprotocol that a page names. A page cannot set headers for a WebSocket, so its key is
/// passed as another subprotocol.
pub(super) const PROTOCOL: &str = "realtime";
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// The key among the subprotocols of a page.
fn protocol_key(headers: &HeaderMap) -> Option<&str> {
    let protocols = header(headers, SEC_WEBSOCKET_PROTOCOL)?.split(',');
    protocols.map(str::trim).find_map(|protocol| protocol.strip_prefix(KEY_PROTOCOL))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses requests of unknown web pages, and requests for unknown host names (DNS rebinding).
pub(super) async fn check_page(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let host = header(request.headers(), HOST)
        .or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    if !host.is_some_and(|host| state.origins.know_host(host)) {
        let message = "Host: expected an address, localhost, or a name that was let in (--allow-origin)";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message).into_response();
    }
    let origin = header(request.headers(), ORIGIN).map(str::to_owned);
    // A header that is not text does not come from a browser page.
    let unreadable = request.headers().contains_key(ORIGIN) && origin.is_none();
    if unreadable || !state.origins.allow(origin.as_deref(), host) {
        let message = "Origin: this page may not drive this server: expected its own page, or one that was let in (--allow-origin)";
        return ApiError::new(StatusCode::FORBIDDEN, "foreign_page", message).into_response();
    }
    let is_preflight = request.method() == Method::OPTIONS && origin.is_some();
    let answered =
        async { if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await } };
    // Limits the time of a request whose body arrives byte by byte. The response to an endless stream
    // also begins within this time.
    let most = 2 * state.limits.request;
    let mut response = tokio::time::timeout(most, answered).await.unwrap_or_else(|_| {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the request did not come in time")
            .into_response()
    });
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// The key in a header `Authorization`. The name of the scheme may be written in any case.
fn bearer_key(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Identifies the caller by the bearer key.
pub(super) async fn authenticate(State(state): State<Shared>, mut request: Request, next: Next) -> Response {
    let bearer = header(request.headers(), AUTHORIZATION).and_then(bearer_key);
    let shown = bearer.or_else(|| protocol_key(request.headers()));
    match state.keys.caller(shown) {
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None => {
            let message = "expected Authorization: Bearer KEY, with a key that this server knows";
            let mut response =
                ApiError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message).into_response();
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}
