//! What a step fails its streams with, in the log: the traceback of each exception once.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::streams::Request;

/// The exceptions of one step, and whose requests each of them fails.
#[derive(Default)]
pub(super) struct Failures(Vec<Failure>);

struct Failure {
    raised: Py<PyAny>,
    requests: Vec<Arc<Request>>,
}

impl Failures {
    pub(super) fn add(&mut self, raised: &Bound<'_, PyAny>, request: Arc<Request>) {
        let known = self.0.iter_mut().rev();
        match known.into_iter().find(|known| known.raised.is(raised)) {
            Some(known) => known.requests.push(request),
            None => self.0.push(Failure {
                raised: raised.clone().unbind(),
                requests: vec![request],
            }),
        }
    }

    /// Logs them. What a handler of the log raises ends no step.
    pub(super) fn log(self, py: Python<'_>) {
        for failure in self.0 {
            if let Err(raised) = failure.log(py) {
                raised.write_unraisable(py, None);
            }
        }
    }
}

impl Failure {
    fn log(&self, py: Python<'_>) -> PyResult<()> {
        let requests = PyDict::new(py);
        for request in &self.requests {
            let trace = request.context.trace_headers();
            requests.set_item(request.context.id(), trace.map(|trace| trace.trace_id()))?;
        }
        let engine = self
            .requests
            .first()
            .map(|request| request.reading.engine());
        py.import(intern!(py, "dynamo_backend_common._serving.stream"))?
            .call_method1(
                intern!(py, "log_step_failure"),
                (requests, engine, &self.raised),
            )?;
        Ok(())
    }
}
