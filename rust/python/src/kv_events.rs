//! KV events of a Python engine: its sources, and the publishers that it is handed.

mod blocks;

use std::sync::Arc;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::publish::{self, KvEventSource};
use futures::FutureExt;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::integers;
use crate::convert::type_name::type_name;
use crate::errors;
use crate::fork;
use crate::interpreter_end::Running;
use crate::python_engine::PythonEngine;

/// Publishes the KV events of one data-parallel rank.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct KvPublisher {
    inner: publish::KvPublisher,
    origin: Origin,
}

impl KvPublisher {
    fn new(inner: publish::KvPublisher) -> Self {
        let origin = Origin::here();
        Self { inner, origin }
    }
}

#[pymethods]
impl KvPublisher {
    #[getter]
    fn dp_rank(&self) -> u32 {
        self.inner.dp_rank()
    }

    #[getter]
    fn block_size(&self) -> u32 {
        self.inner.block_size()
    }

    #[pyo3(signature = (blocks, token_ids = None, *, parent_hash = None))]
    fn publish_stored(
        &self,
        blocks: &Bound<'_, PyAny>,
        token_ids: Option<&Bound<'_, PyAny>>,
        parent_hash: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = blocks.py();
        fork::check(self.origin, "publish_stored")?;
        // While the interpreter ends nobody is there to hear of it.
        let Some(_running) = Running::begin(py) else {
            return Ok(());
        };
        let parent_hash = parent_hash
            .map(|hash| blocks::hash(hash, || "publish_stored: parent_hash".into()))
            .transpose()?;
        let blocks = match token_ids {
            Some(token_ids) => blocks::of_flat(blocks, token_ids, self.inner.block_size())?,
            None => blocks::of_pairs(blocks)?,
        };
        self.inner
            .publish_stored(parent_hash, blocks)
            .map_err(|error| errors::to_exception(py, &error, None))
    }

    fn publish_removed(&self, block_hashes: &Bound<'_, PyAny>) -> PyResult<()> {
        fork::check(self.origin, "publish_removed")?;
        let Some(_running) = Running::begin(block_hashes.py()) else {
            return Ok(());
        };
        let hashes = blocks::hashes(block_hashes, "publish_removed: block_hashes")?;
        self.inner.publish_removed(hashes);
        Ok(())
    }

    fn publish_cleared(&self) -> PyResult<()> {
        fork::check(self.origin, "publish_cleared")?;
        self.inner.publish_cleared();
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!(
            "KvPublisher(dp_rank={}, block_size={})",
            self.inner.dp_rank(),
            self.inner.block_size()
        )
    }
}

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
    if let Ok(on_ready) = item.getattr(intern!(py, "on_ready")) {
        if !on_ready.is_callable() {
            return Err(refused(&kind, "on_ready", &on_ready, "a callable"));
        }
        return Ok(push(dp_rank, on_ready.unbind(), engine.clone()));
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
    })
}

const RANKS: &str = "an int from 0 to 4294967295";

fn refused(kind: &str, field: &str, value: &Bound<'_, PyAny>, accepted: &str) -> String {
    format!(
        "{kind}.{field} is {}; accepted: {accepted}",
        blocks::shown(value)
    )
}

fn push(dp_rank: u32, on_ready: Py<PyAny>, engine: PythonEngine) -> KvEventSource {
    let on_ready = Mutex::new(Some(on_ready));
    KvEventSource::Push {
        dp_rank,
        on_ready: Arc::new(move |inner| match on_ready.lock().take() {
            Some(on_ready) => engine.hand_over("on_ready", on_ready, KvPublisher::new(inner)),
            None => std::future::ready(Ok(())).boxed(),
        }),
    }
}
