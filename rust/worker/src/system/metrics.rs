//! The metrics of all workers, as one text.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use dynamo_runtime::metrics::MetricsHierarchy;
use futures::future::join_all;
use parking_lot::Mutex;

use super::exposition;
use super::router::Shared;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Metrics that are warned of: the rest would say the same.
const MOST_WARNINGS: usize = 64;

/// The metrics that somebody was warned of, who need not be at every scrape.
#[derive(Default)]
pub(super) struct Warned {
    names: Mutex<HashSet<String>>,
}

impl Warned {
    fn tell(&self, left_out: Vec<(String, String)>) {
        let mut names = self.names.lock();
        for (name, why) in left_out {
            if names.len() < MOST_WARNINGS && names.insert(name.clone()) {
                tracing::warn!(
                    "{name}, which an engine gave, is not shown: {why}; rename it there, or leave \
                     it out"
                );
            }
        }
    }
}

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
