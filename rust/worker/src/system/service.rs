//! The worker's own routes below `/engine/`: drain, resume and status.

use std::sync::Arc;

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dynamo_backend_lifecycle::controls::error_reply;
use serde_json::{Value, json};

use super::member::Member;
use super::refusal::{error, only};
use crate::controls::{OWN, Status};

/// Splits `path`, what follows `/engine/`, into a worker's name and one of [`OWN`]; `None` where it
/// means a control or an update of the engine's.
pub(super) fn of_path(path: &str) -> Option<(Option<&str>, &str)> {
    let (worker, name) = match path.rsplit_once('/') {
        Some((worker, name)) => (Some(worker), name),
        None => (None, path),
    };
    let is_the_engines = path.starts_with("control/") || path.starts_with("update/");
    (OWN.contains(&name) && !is_the_engines).then_some((worker, name))
}

pub(super) async fn answer(
    members: Vec<Arc<Member>>,
    worker: Option<&str>,
    name: &str,
    method: &Method,
) -> Response {
    let (allowed, what) = match name {
        "status" => (Method::GET, "/engine/status is read by GET"),
        _ => (Method::POST, "engine controls act on POST"),
    };
    if *method != allowed {
        return only(&allowed, what, method);
    }
    let member = match choose(&members, worker, name) {
        Ok(member) => member,
        Err((code, message)) => return error(code, message),
    };
    let done = match (name, member.controls.get()) {
        ("status", _) => return Json(told(member.status())).into_response(),
        (_, None) => Err(error_reply(format!(
            "{name}: the worker does not serve yet, and nothing was done; call again once it is \
             ready"
        ))),
        ("drain", Some(controls)) => controls.drain().await,
        (_, Some(controls)) => controls.resume().await,
    };
    let reply = done.map_or_else(
        |refusal| refusal,
        |()| {
            let mut reply = told(member.status());
            reply["status"] = "ok".into();
            reply
        },
    );
    Json(reply).into_response()
}

fn told(status: Status) -> Value {
    json!({
        "state": status.service.name(),
        "in_flight": status.in_flight,
        "safe_to_delete": status.safe_to_delete,
    })
}

fn choose<'a>(
    members: &'a [Arc<Member>],
    worker: Option<&str>,
    name: &str,
) -> Result<&'a Arc<Member>, (StatusCode, String)> {
    let found: Vec<&Arc<Member>> = members
        .iter()
        .filter(|member| worker.is_none_or(|worker| worker == member.path))
        .collect();
    let paths = members
        .iter()
        .map(|member| format!("/engine/{}/{name}", member.path))
        .collect::<Vec<_>>()
        .join(", ");
    match found[..] {
        [member] => Ok(member),
        [] => Err((
            StatusCode::NOT_FOUND,
            format!("no such worker in this process; there is: {paths}"),
        )),
        _ => Err((
            StatusCode::CONFLICT,
            format!("several workers of this process are meant; call one of them: {paths}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_the_worker_itself_or_its_engine() {
        assert_eq!(of_path("drain"), Some((None, "drain")));
        let full = "d.b.generate/status";
        assert_eq!(of_path(full), Some((Some("d.b.generate"), "status")));
        for engines in [
            "sleep",
            "control/drain",
            "control/d.b.generate/drain",
            "update/drain",
            "drain/all",
            "d.b.generate/sleep",
        ] {
            assert_eq!(of_path(engines), None, "{engines}");
        }
    }
}
