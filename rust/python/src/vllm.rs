//! vLLM's output socket, read without Python.
//!
//! The engine core pushes what each step made to one address, at which vLLM's own client reads it.
//! Here a thread reads in its place: tokens of the requests that it was told of go to their streams
//! without the GIL, and everything else goes on to the client, as the message that it was.

mod chunk;
mod reader;
mod state;
mod taken;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_vllm::{Layout, Load, Statistics};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::convert::json;
use crate::errors;
use crate::fork;
use crate::publishers::SnapshotPublisher;
use crate::step::{Push, StepStream, Steps};
use chunk::Request;
use reader::Shared;
use state::{Snapshots, State};
pub(crate) use taken::{StepRecord, Taken};

/// Reads the messages of vLLM's engine cores.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct OutputSocket {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    origin: Origin,
}

#[pymethods]
impl OutputSocket {
    #[new]
    #[pyo3(signature = (steps, layout, *, address, forward_to, statistics))]
    fn new(
        py: Python<'_>,
        steps: &Steps,
        layout: &Bound<'_, PyMapping>,
        address: &str,
        forward_to: &str,
        statistics: bool,
    ) -> PyResult<Self> {
        let mut fields = HashMap::new();
        for item in layout.items()? {
            let (name, names): (String, Vec<String>) = item.extract()?;
            fields.insert(name, names);
        }
        let refused = |message| errors::invalid_argument(py, message);
        let layout = Layout::new(&fields).map_err(|wrong| refused(format!("layout: {wrong}")))?;
        let state = State {
            statistics: statistics.then(Statistics::default),
            ..State::default()
        };
        let shared = Arc::new(Shared::new(steps.shared(), layout, state)?);
        let started = py.detach(|| reader::start(shared.clone(), address, forward_to));
        Ok(Self {
            shared,
            thread: Mutex::new(Some(started.map_err(refused)?)),
            origin: Origin::here(),
        })
    }

    #[pyo3(signature = (
        request_id, stream, *, prompt_tokens, logprobs = None, is_guided = false,
        prompt_tokens_details = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "names in Python")]
    fn expect(
        &self,
        py: Python<'_>,
        request_id: String,
        stream: &StepStream,
        prompt_tokens: u32,
        logprobs: Option<usize>,
        is_guided: bool,
        prompt_tokens_details: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        fork::check(self.origin, "OutputSocket.expect")?;
        let refused = |message| errors::invalid_argument(py, message);
        let name = "prompt_tokens_details";
        let details = prompt_tokens_details.map(|details| json::from_python(details, name));
        let details = details.transpose().map_err(refused)?;
        let request = Request::new(stream, prompt_tokens, logprobs, is_guided, details)
            .map_err(|wrong| refused(format!("{name}: {wrong}")))?;
        if !self
            .shared
            .state
            .lock()
            .requests
            .expect(request_id, request)
        {
            return Err(refused("request_id: it is expected already".into()));
        }
        Ok(())
    }

    fn publish_snapshots(
        &self,
        publisher: &SnapshotPublisher,
        total_blocks: HashMap<u32, u64>,
    ) -> PyResult<()> {
        fork::check(self.origin, "OutputSocket.publish_snapshots")?;
        let ranks = total_blocks.into_iter();
        self.shared.state.lock().snapshots = Some(Snapshots {
            publisher: publisher.inner().clone(),
            ranks: ranks
                .map(|(rank, blocks)| (rank, (blocks, Load::default())))
                .collect(),
        });
        Ok(())
    }

    /// Also looks at all streams: those of steps that were long ago, and of requests that wait.
    fn take(&self, py: Python<'_>) -> PyResult<Taken> {
        fork::check(self.origin, "OutputSocket.take")?;
        let steps = &self.shared.steps;
        let mut gone = Push::new(steps, Vec::new()).done().cancelled;
        let mut state = self.shared.state.lock();
        for request in state.requests.live() {
            gone.retain(|stream| *stream != request.stream);
        }
        // Those that go another way.
        steps.tell(gone);
        state.give_up();
        let given_up = state.requests.given_up();
        let records = state.statistics.as_mut().map(Statistics::take);
        drop(state);
        Taken::new(py, records.unwrap_or_default(), given_up)
    }

    fn close(&self, py: Python<'_>) {
        // A child has no such thread, nor may it use the descriptors of the parent's.
        if !self.origin.is_here() {
            return;
        }
        self.shared.end();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // What it panics with, it has told.
            let _ = py.detach(|| thread.join());
        }
    }

    /// Requests that are expected.
    fn __len__(&self) -> PyResult<usize> {
        fork::check(self.origin, "OutputSocket")?;
        Ok(self.shared.state.lock().requests.live().count())
    }
}

impl Drop for OutputSocket {
    fn drop(&mut self) {
        self.shared.end();
    }
}
