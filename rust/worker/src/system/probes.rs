//! Liveness and readiness.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::router::Shared;

/// Whoever gets this answer knows all that liveness is: the process answers.
pub(super) fn live(shared: &Shared) -> Response {
    Json(json!({"status": "live", "uptime": uptime(shared)})).into_response()
}

/// Ready when every worker is.
pub(super) fn health(shared: &Shared) -> Response {
    let mut ready = true;
    let workers: Vec<Value> = shared
        .members
        .read()
        .iter()
        .map(|member| match member.why_not_ready() {
            None => json!({"endpoint": member.path, "status": "ready"}),
            Some(reason) => {
                ready = false;
                json!({"endpoint": member.path, "status": "notready", "reason": reason})
            }
        })
        .collect();
    let (code, status) = if ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "notready")
    };
    let answer = json!({"status": status, "uptime": uptime(shared), "workers": workers});
    (code, Json(answer)).into_response()
}

/// Seconds since the server began.
fn uptime(shared: &Shared) -> f64 {
    shared.since.elapsed().as_secs_f64()
}
