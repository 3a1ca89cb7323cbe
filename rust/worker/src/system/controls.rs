//! The routes of engine controls and updates, and what they answer.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dynamo_backend_lifecycle::controls::{empty_body, error_reply};
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use super::member::Member;
use super::refusal::{error, only};
use super::resolve::{Kind, Unresolved, choose};
use super::service;
use super::shared::Shared;
use crate::controls::{Controls, MODEL_TAINTS};
use crate::error::{BackendError, kind as kind_of};

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    method: Method,
    body: Bytes,
) -> Response {
    if let Some((worker, name)) = service::of_path(&path) {
        let members = shared.members.read().clone();
        return service::answer(members, worker, name, &method).await;
    }
    if method != Method::POST {
        return only(&Method::POST, "engine controls act on POST", &method);
    }
    let body = match parse(&body) {
        Ok(body) => body,
        Err(message) => return error(StatusCode::BAD_REQUEST, message),
    };
    let found = resolve(&shared.members.read(), &path);
    let (controls, kind, name) = match found {
        Ok(found) => found,
        Err(Unresolved::Unknown(_)) if somebody_starts(&shared.members.read()) => {
            return Json(error_reply(format!(
                "{path}: a worker of this process does not serve yet, and its controls are not \
                 known; call again once it is ready"
            )))
            .into_response();
        }
        Err(Unresolved::Unknown(message)) => return error(StatusCode::NOT_FOUND, message),
        Err(Unresolved::Ambiguous(message)) => return error(StatusCode::CONFLICT, message),
    };
    let called = match kind {
        Kind::Control => controls.call(&name, body).await,
        Kind::Update => controls.update(&name, body).await,
    };
    match called {
        Ok(reply) => Json(reply).into_response(),
        Err(raised) => failed(kind, &name, &raised),
    }
}

fn failed(kind: Kind, name: &str, raised: &DynamoError) -> Response {
    let message = format!("{name}: {}", raised.message());
    if kind == Kind::Update && name == MODEL_TAINTS {
        let code = match kind_of(raised) == BackendError::InvalidArgument {
            true => StatusCode::BAD_REQUEST,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        return error(code, message);
    }
    tracing::warn!(control = name, "the engine raised: {}", raised.message());
    error(StatusCode::INTERNAL_SERVER_ERROR, message)
}

fn parse(body: &[u8]) -> Result<Value, String> {
    if body.trim_ascii().is_empty() {
        return Ok(empty_body());
    }
    serde_json::from_slice(body).map_err(|error| {
        format!("the request's body is no JSON: {error}; an empty body counts as {{}}")
    })
}

/// Which controls a worker that starts will have, nobody knows.
fn somebody_starts(members: &[Arc<Member>]) -> bool {
    members.iter().any(|member| member.controls.get().is_none())
}

/// Finds the worker and what of it `path`, what follows `/engine/`, means.
fn resolve(
    members: &[Arc<Member>],
    path: &str,
) -> Result<(Arc<Controls>, Kind, String), Unresolved> {
    let workers: Vec<(&str, &Arc<Controls>)> = members
        .iter()
        .filter_map(|member| Some((member.path.as_str(), member.controls.get()?)))
        .collect();
    let found = |kind: Kind, path: &str| {
        let offered: Vec<(&str, &[String])> = workers
            .iter()
            .map(|(worker, controls)| match kind {
                Kind::Control => (*worker, controls.names()),
                Kind::Update => (*worker, controls.updates()),
            })
            .collect();
        let (index, name) = choose(kind, &offered, path)?;
        Ok((workers[index].1.clone(), kind, name.to_owned()))
    };
    match path.strip_prefix("update/") {
        // A control's own name may begin like that, too.
        Some(update) => match found(Kind::Update, update) {
            Err(Unresolved::Unknown(message)) => {
                found(Kind::Control, path).map_err(|unresolved| match unresolved {
                    Unresolved::Unknown(_) => Unresolved::Unknown(message),
                    ambiguous => ambiguous,
                })
            }
            found => found,
        },
        None => found(Kind::Control, path),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn section_7_an_empty_body_is_an_empty_object() {
        assert_eq!(parse(b"").unwrap(), json!({}));
        assert_eq!(parse(b" \n").unwrap(), json!({}));
        assert_eq!(parse(b"[1]").unwrap(), json!([1]));
        assert!(parse(b"{level: 1}").unwrap_err().contains("no JSON"));
    }
}
