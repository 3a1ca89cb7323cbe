//! How a route below `/engine/` says no.

use axum::Json;
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dynamo_backend_lifecycle::controls::error_reply;

pub(super) fn error(code: StatusCode, message: impl Into<String>) -> Response {
    (code, Json(error_reply(message))).into_response()
}

/// The answer to another method than the one that a route acts on.
pub(super) fn only(allowed: &Method, what: &str, method: &Method) -> Response {
    let message = format!("{what} only, not on {method}; nothing was changed");
    let refusal = error(StatusCode::METHOD_NOT_ALLOWED, message);
    ([(ALLOW, allowed.as_str())], refusal).into_response()
}
