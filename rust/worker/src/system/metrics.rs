//! The metrics of all workers, as one text.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use dynamo_runtime::metrics::MetricsHierarchy;
use futures::future::join_all;

use super::exposition;
use super::shared::Shared;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Response {
    let (runtimes, texts): (Vec<_>, Vec<_>) = {
        let members = shared.members.read();
        let runtimes = members.iter().filter_map(|member| member.drt.get());
        let texts = members
            .iter()
            .filter_map(|member| member.engine_texts.get());
        (runtimes.cloned().collect(), texts.cloned().collect())
    };
    join_all(texts.iter().map(|texts| texts.refresh())).await;
    // Off the threads of the requests: a callback is an engine's own code.
    let gathered = tokio::task::spawn_blocking(move || {
        let texts: anyhow::Result<Vec<String>> = runtimes
            .iter()
            .map(|drt| drt.metrics().prometheus_expfmt())
            .collect();
        texts.map(|texts| exposition::merge(&texts))
    });
    let failure = match gathered.await {
        Ok(Ok(merge)) => {
            shared.warned.tell(merge.left_out);
            return ([(CONTENT_TYPE, PROMETHEUS_TEXT)], merge.text).into_response();
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(crashed) => crashed.to_string(),
    };
    tracing::error!(error = failure, "the metrics could not be gathered");
    (StatusCode::INTERNAL_SERVER_ERROR, failure).into_response()
}
