//! Which handler answers which route.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::shared::{Members, Paths, Shared};
use super::token::Token;
use super::warned::Warned;
use super::{controls, guard, metadata, metrics, probes};

pub(super) fn build(members: Members, paths: Paths, token: Option<Token>) -> Router {
    let shared = Arc::new(Shared {
        members,
        token,
        since: Instant::now(),
        warned: Warned::default(),
        paths,
    });
    Router::new()
        .route("/metrics", get(metrics::answer))
        .route(
            "/v1/metadata/{namespace}/{component}/{endpoint}/{model}/{suffix}/{*file}",
            get(metadata::answer),
        )
        .route("/engine/{*path}", any(controls::answer))
        // Not routes: what an operator sets may be no valid pattern.
        .fallback(probe)
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared)
}

async fn probe(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path();
    let is_live = path == shared.paths.live;
    if !is_live && path != shared.paths.health {
        return (StatusCode::NOT_FOUND, "no such route\n").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if is_live {
        probes::live(&shared)
    } else {
        probes::health(&shared)
    }
}
