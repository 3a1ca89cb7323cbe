//! The checks of engines in Rust, for the Python module `dynamo_backend_common.testing`.

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_worker::testing::{CheckResult, check_names, check_shared_engine};
use dynamo_backend_worker::{LLMEngine, PreprocessedRequest};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::mpsc;
use tokio::time::interval;

use crate::errors;
use crate::interpreter_end::Running;
use crate::rust_engine::{RustEngine, seconds};
use crate::testing::typed;

/// How often it is looked whether Python has a signal for the thread that waits.
const LOOK: Duration = Duration::from_millis(100);

/// Names of the checks, in their order.
pub(crate) fn names(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, check_names())
}

/// Checks an engine on a runtime of its own, and calls `tell` with the parts of each result as it
/// comes. What `tell` raises, and a signal's exception, end the checks.
#[pyfunction]
#[pyo3(signature = (engine, another, request, *, requests, timeout, tell))]
pub(crate) fn check_rust_engine(
    py: Python<'_>,
    engine: &RustEngine,
    another: Option<&RustEngine>,
    request: &Bound<'_, PyAny>,
    requests: usize,
    timeout: f64,
    tell: Py<PyAny>,
) -> PyResult<()> {
    let request = typed(request).map_err(|what| errors::invalid_argument(py, what))?;
    let timeout = seconds(py, "timeout", timeout)?;
    let asked = Asked {
        engine: engine.driven()?,
        another: another.map(RustEngine::driven).transpose()?,
        request,
        requests,
        timeout,
    };
    py.detach(|| asked.check(tell))
}

struct Asked {
    engine: Arc<dyn LLMEngine>,
    another: Option<Arc<dyn LLMEngine>>,
    request: PreprocessedRequest,
    requests: usize,
    timeout: Duration,
}

impl Asked {
    fn check(self, tell: Py<PyAny>) -> PyResult<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (failed, mut failures) = mpsc::unbounded_channel();
        let check = check_shared_engine(self.engine, self.another)
            .request(self.request)
            .requests(self.requests)
            .timeout(self.timeout)
            .on_result(move |result| {
                if let Err(raised) = Python::attach(|py| tell_of(py, &tell, result)) {
                    // Nobody reads it where another one has ended the checks.
                    let _ = failed.send(raised);
                }
            });
        runtime.block_on(async {
            tokio::select! {
                biased;
                raised = interrupted(&mut failures) => Err(raised),
                _ = check => failures.try_recv().map_or(Ok(()), Err),
            }
        })
    }
}

fn tell_of(py: Python<'_>, tell: &Py<PyAny>, result: &CheckResult) -> PyResult<()> {
    let Some(_running) = Running::begin(py) else {
        return Ok(());
    };
    let outcome = result.outcome.to_string();
    tell.call1(
        py,
        (
            result.name,
            outcome,
            result.rule,
            &result.found,
            result.mend,
        ),
    )
    .map(drop)
}

/// What ends the checks before their end.
async fn interrupted(failures: &mut mpsc::UnboundedReceiver<PyErr>) -> PyErr {
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            Some(raised) = failures.recv() => return raised,
            _ = look.tick() => {
                let looked = Python::attach(|py| match Running::begin(py) {
                    Some(_running) => py.check_signals(),
                    None => Ok(()),
                });
                if let Err(raised) = looked {
                    return raised;
                }
            }
        }
    }
}
