//! The metrics of all workers, as one text.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use dynamo_runtime::metrics::MetricsHierarchy;

use super::exposition;
use super::router::Shared;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Response {
    let runtimes: Vec<_> = {
        let members = shared.members.read();
        members
            .iter()
            .filter_map(|member| member.drt.get().cloned())
            .collect()
    };
    // Off the threads of the requests: an engine's own text is made by the engine.
    let gathered = tokio::task::spawn_blocking(move || {
        let texts: anyhow::Result<Vec<String>> = runtimes
            .iter()
            .map(|drt| drt.metrics().prometheus_expfmt())
            .collect();
        texts.map(|texts| exposition::merge(&texts))
    });
    let failure = match gathered.await {
        Ok(Ok(text)) => return ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(crashed) => crashed.to_string(),
    };
    tracing::error!(error = failure, "the metrics could not be gathered");
    (StatusCode::INTERNAL_SERVER_ERROR, failure).into_response()
}
