//! The files of a model card that points at this server.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::router::Shared;

type Key = (String, String, String, String, String, String);

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path((namespace, component, endpoint, model, suffix, file)): Path<Key>,
) -> Response {
    // Only what a card registered is found: a request's own path never reaches the disk.
    let found = shared.members.read().iter().find_map(|member| {
        let artifacts = member.drt.get()?.metadata_artifacts();
        artifacts.get(&namespace, &component, &endpoint, &model, &suffix, &file)
    });
    let Some(path) = found else {
        return (StatusCode::NOT_FOUND, "no such file of a model card\n").into_response();
    };
    match tokio::fs::read(&path).await {
        Ok(bytes) => bytes.into_response(),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "a model card's file cannot be read");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the file cannot be read\n",
            )
                .into_response()
        }
    }
}
