//! The engine controls' routes: whose control a path means, and what the answer is.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dynamo_backend_lifecycle::controls::{empty_body, error_reply};
use serde_json::Value;

use super::member::Member;
use super::refusal::{error, only};
use super::service;
use super::shared::Shared;
use crate::controls::{Controls, OWN};

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
    let (controls, name) = match found {
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
    match controls.call(&name, body).await {
        Ok(reply) => Json(reply).into_response(),
        Err(raised) => {
            let message = format!("{name}: {}", raised.message());
            tracing::warn!(control = name, "the engine raised: {}", raised.message());
            error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
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

#[derive(Debug)]
enum Unresolved {
    Unknown(String),
    Ambiguous(String),
}

/// Finds the worker and the control that `path`, what follows `/engine/`, means.
fn resolve(members: &[Arc<Member>], path: &str) -> Result<(Arc<Controls>, String), Unresolved> {
    let workers: Vec<(&str, &Arc<Controls>)> = members
        .iter()
        .filter_map(|member| Some((member.path.as_str(), member.controls.get()?)))
        .collect();
    let offered: Vec<(&str, &[String])> = workers
        .iter()
        .map(|(worker, controls)| (*worker, controls.names()))
        .collect();
    let (index, name) = choose(&offered, path)?;
    Ok((workers[index].1.clone(), name.to_owned()))
}

/// Chooses among what the workers offer, as (worker, controls): its index, and the control's name.
fn choose<'a>(
    offered: &[(&str, &[String])],
    path: &'a str,
) -> Result<(usize, &'a str), Unresolved> {
    let path = path.strip_prefix("control/").unwrap_or(path);
    let supporting = |name: &str, of: Option<&str>| -> Vec<usize> {
        let supports = |index: &usize| {
            let (worker, names) = offered[*index];
            of.is_none_or(|of| of == worker) && names.iter().any(|known| known == name)
        };
        (0..offered.len()).filter(supports).collect()
    };
    // A control's own name may have a slash.
    let mut name = path;
    let mut found = supporting(path, None);
    if found.is_empty()
        && let Some((worker, rest)) = path.split_once('/')
    {
        name = rest;
        found = supporting(rest, Some(worker));
    }
    match found[..] {
        [index] => Ok((index, name)),
        [] => Err(Unresolved::Unknown(unknown(offered, path))),
        _ => Err(Unresolved::Ambiguous(ambiguous(offered, &found, name))),
    }
}

fn unknown(offered: &[(&str, &[String])], path: &str) -> String {
    let supported: Vec<String> = offered
        .iter()
        .flat_map(|(worker, names)| {
            names.iter().map(move |name| match offered.len() {
                1 => path_of(name, name.clone()),
                _ => path_of(name, format!("{worker}/{name}")),
            })
        })
        .collect();
    if supported.is_empty() {
        return format!("no engine control '{path}': no engine here supports any");
    }
    format!(
        "no engine control '{path}'; supported: {}",
        supported.join(", ")
    )
}

/// The path below `/engine/` of the engine's control `name`, whose short one is `path`: that of a
/// worker's own name means the worker itself.
fn path_of(name: &str, path: String) -> String {
    match OWN.contains(&name) {
        true => format!("control/{path}"),
        false => path,
    }
}

fn ambiguous(offered: &[(&str, &[String])], found: &[usize], name: &str) -> String {
    let mut paths: Vec<String> = found
        .iter()
        .map(|index| path_of(name, format!("{}/{name}", offered[*index].0)))
        .map(|path| format!("/engine/{path}"))
        .collect();
    paths.dedup();
    match &paths[..] {
        [path] => format!(
            "several workers of this process are called {path}: give each an endpoint of its own"
        ),
        _ => format!(
            "several workers of this process support '{name}'; call one of them: {}",
            paths.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
