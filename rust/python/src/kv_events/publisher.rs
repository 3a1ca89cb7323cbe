//! The publisher that a Python engine is handed.

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::publish;
use pyo3::prelude::*;

use super::blocks;
use super::event::{self, Stored};
use super::place::Place;
use crate::errors;
use crate::fork;
use crate::interpreter_end::Running;

/// Publishes the KV events of one data-parallel rank.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct KvPublisher {
    inner: publish::KvPublisher,
    origin: Origin,
}

impl KvPublisher {
    pub(super) fn new(inner: publish::KvPublisher) -> Self {
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

    #[pyo3(signature = (
        blocks, token_ids = None, *, parent_hash = None, block_mm_infos = None, lora_name = None,
        cache_salt = None, is_eagle = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn publish_stored(
        &self,
        blocks: &Bound<'_, PyAny>,
        token_ids: Option<&Bound<'_, PyAny>>,
        parent_hash: Option<&Bound<'_, PyAny>>,
        block_mm_infos: Option<&Bound<'_, PyAny>>,
        lora_name: Option<&Bound<'_, PyAny>>,
        cache_salt: Option<&Bound<'_, PyAny>>,
        is_eagle: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = blocks.py();
        fork::check(self.origin, "publish_stored")?;
        // While the interpreter ends nobody is there to hear of it.
        let Some(_running) = Running::begin(py) else {
            return Ok(());
        };
        let stored = Stored {
            token_ids,
            parent_hash,
            block_mm_infos,
            lora_name,
            cache_salt,
            is_eagle,
        };
        let place = Place::Call("publish_stored");
        let stored = stored.read(place, blocks, self.inner.block_size())?;
        self.inner
            .publish_stored_blocks(stored)
            .map_err(|error| errors::to_exception(py, &error, None))
    }

    fn publish_removed(&self, block_hashes: &Bound<'_, PyAny>) -> PyResult<()> {
        fork::check(self.origin, "publish_removed")?;
        let Some(_running) = Running::begin(block_hashes.py()) else {
            return Ok(());
        };
        let hashes = {
            let place = Place::Call("publish_removed").argument("block_hashes");
            blocks::hashes(block_hashes, place)?
        };
        self.inner.publish_removed(hashes);
        Ok(())
    }

    fn publish_cleared(&self) -> PyResult<()> {
        fork::check(self.origin, "publish_cleared")?;
        self.inner.publish_cleared();
        Ok(())
    }

    fn publish_batch(&self, events: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = events.py();
        fork::check(self.origin, "publish_batch")?;
        let Some(_running) = Running::begin(py) else {
            return Ok(());
        };
        let events = event::batch(events, self.inner.block_size())?;
        self.inner
            .publish_batch(events)
            .map_err(|error| errors::to_exception(py, &error, None))
    }

    fn __repr__(&self) -> String {
        format!(
            "KvPublisher(dp_rank={}, block_size={})",
            self.inner.dp_rank(),
            self.inner.block_size()
        )
    }
}
