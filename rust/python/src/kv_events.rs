//! KV events of a Python engine: its sources, and the publishers that it is handed.

mod blocks;
mod event;
mod mm_infos;
mod place;
mod publisher;

use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::publish::{KvEventSource, MediaTokens};
use futures::FutureExt;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::integers;
use crate::convert::type_name::type_name;
use crate::python_engine::PythonEngine;

pub(crate) use publisher::KvPublisher;

/// Reads what an engine's `kv_event_sources` returned.
pub(crate) fn sources(
    answer: &Bound<'_, PyAny>,
    engine: &PythonEngine,
) -> Result<Vec<KvEventSource>, DynamoError> {
    let items = answer.try_iter().map_err(|_| {
        invalid_argument(format!(
            "returned {}; it must return a list of sources",
            type_name(answer)
        ))
    })?;
    items
        .enumerate()
        .map(|(number, item)| {
            let item = item.map_err(|raised| engine.failed(answer.py(), raised))?;
            source(&item, engine).map_err(|what| {
                invalid_argument(format!("source {number}, counted from 0: {what}"))
            })
        })
        .collect()
}

fn source<'py>(item: &Bound<'py, PyAny>, engine: &PythonEngine) -> Result<KvEventSource, String> {
    let py = item.py();
    let kind = type_name(item);
    let no_source = || format!("{kind} is no source; accepted: ZmqKvEvents, PushKvEvents");
    let field = |name: &Bound<'py, PyString>| item.getattr(name).map_err(|_| no_source());
    let dp_rank = field(intern!(py, "dp_rank"))?;
    let dp_rank =
        integers::of_any(&dp_rank).ok_or_else(|| refused(&kind, "dp_rank", &dp_rank, RANKS))?;
    let media = media_tokens(item, &kind)?;
    if let Ok(on_ready) = item.getattr(intern!(py, "on_ready")) {
        if !on_ready.is_callable() {
            return Err(refused(&kind, "on_ready", &on_ready, "a callable"));
        }
        return Ok(push(dp_rank, media, on_ready.unbind(), engine.clone()));
    }
    let text = |name: &Bound<'py, PyString>| {
        let value = field(name)?;
        value
            .extract::<String>()
            .map_err(|_| refused(&kind, &name.to_string(), &value, "a str"))
    };
    Ok(KvEventSource::Zmq {
        endpoint: text(intern!(py, "endpoint"))?,
        topic: text(intern!(py, "topic"))?,
        dp_rank,
        media,
    })
}

fn media_tokens(item: &Bound<'_, PyAny>, kind: &str) -> Result<MediaTokens, String> {
    let token = |name: &Bound<'_, PyString>| {
        // A source of an engine's own class may have none.
        let Ok(value) = item.getattr(name) else {
            return Ok(None);
        };
        if value.is_none() {
            return Ok(None);
        }
        let token = integers::of_any(&value);
        token
            .map(Some)
            .ok_or_else(|| refused(kind, &name.to_string(), &value, TOKENS))
    };
    let py = item.py();
    Ok(MediaTokens {
        image_token_id: token(intern!(py, "image_token_id"))?,
        video_token_id: token(intern!(py, "video_token_id"))?,
    })
}

const TOKENS: &str = "an int from 0 to 4294967295, or None";
const RANKS: &str = "an int from 0 to 4294967295";

fn refused(kind: &str, field: &str, value: &Bound<'_, PyAny>, accepted: &str) -> String {
    format!(
        "{kind}.{field} is {}; accepted: {accepted}",
        blocks::shown(value)
    )
}

fn push(
    dp_rank: u32,
    media: MediaTokens,
    on_ready: Py<PyAny>,
    engine: PythonEngine,
) -> KvEventSource {
    let on_ready = Mutex::new(Some(on_ready));
    KvEventSource::Push {
        dp_rank,
        media,
        on_ready: Arc::new(move |inner| match on_ready.lock().take() {
            Some(on_ready) => engine.hand_over("on_ready", on_ready, KvPublisher::new(inner)),
            None => std::future::ready(Ok(())).boxed(),
        }),
    }
}
