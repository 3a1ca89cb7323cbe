//! Liveness and readiness.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::shared::Shared;

/// Whoever gets this answer knows all that liveness is: the process answers.
pub(super) fn live(shared: &Shared) -> Response {
    Json(json!({"status": "live", "uptime": uptime(shared)})).into_response()
}

/// Ready when every worker is, and there is one: the server is there before the first and after
/// the last.
pub(super) fn health(shared: &Shared) -> Response {
    let members = shared.members.read();
    let mut ready = !members.is_empty();
    let workers: Vec<Value> = members
        .iter()
        .map(|member| match member.why_not_ready() {
            None => {
                let mut worker = json!({"endpoint": member.path, "status": "ready"});
                // Ready all the same: a pod that is not leaves discovery, with all that it serves.
                if let Some(reason) = member.turns.why_full() {
                    worker["reason"] = json!(reason);
                }
                worker
            }
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
    let mut answer = json!({"status": status, "uptime": uptime(shared), "workers": workers});
    if members.is_empty() {
        answer["reason"] = json!("no worker runs");
    }
    (code, Json(answer)).into_response()
}

/// Seconds since the server began.
fn uptime(shared: &Shared) -> f64 {
    shared.since.elapsed().as_secs_f64()
}
