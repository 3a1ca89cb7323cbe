//! What a step fails its streams with, in the log: the traceback of each exception once.

use dynamo_backend_worker::RequestContext;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The exceptions of one step, and whose requests each of them fails.
#[derive(Default)]
pub(super) struct Failures(Vec<Failure>);

struct Failure {
    raised: Py<PyAny>,
    engine: String,
    requests: Vec<RequestContext>,
}

impl Failures {
    pub(super) fn add(&mut self, raised: &Bound<'_, PyAny>, engine: &str, request: RequestContext) {
        let known = self.0.iter_mut().rev();
        match known.into_iter().find(|known| known.raised.is(raised)) {
            Some(known) => known.requests.push(request),
            None => self.0.push(Failure {
                raised: raised.clone().unbind(),
                engine: engine.into(),
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
            let trace = request.trace_headers().map(|trace| trace.trace_id());
            requests.set_item(request.id(), trace)?;
        }
        py.import(intern!(py, "dynamo_backend_common._stream"))?
            .call_method1(
                intern!(py, "log_step_failure"),
                (requests, &self.engine, &self.raised),
            )?;
        Ok(())
    }
}
