//! What Python fetches, a few times a second.

use dynamo_backend_vllm::statistics::Record;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What came since the last call of `take`.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Taken {
    steps: Vec<Py<StepRecord>>,
    #[pyo3(get)]
    given_up: Vec<String>,
}

/// What vLLM's statistics need of one step.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepRecord(Record);

impl Taken {
    pub(super) fn new(
        py: Python<'_>,
        records: Vec<Record>,
        given_up: Vec<String>,
    ) -> PyResult<Self> {
        let steps = records.into_iter();
        let steps = steps.map(|record| Py::new(py, StepRecord(record)));
        Ok(Self {
            steps: steps.collect::<PyResult<_>>()?,
            given_up,
        })
    }
}

#[pymethods]
impl Taken {
    #[getter]
    fn steps(&self, py: Python<'_>) -> Vec<Py<StepRecord>> {
        self.steps.iter().map(|step| step.clone_ref(py)).collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "Taken(steps={}, given_up={:?})",
            self.steps.len(),
            self.given_up
        )
    }
}

#[pymethods]
impl StepRecord {
    #[getter]
    fn engine_index(&self) -> u32 {
        self.0.engine_index
    }

    #[getter]
    fn timestamp(&self) -> f64 {
        self.0.timestamp
    }

    #[getter]
    fn scheduler_stats<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let stats = self.0.scheduler_stats.as_deref()?;
        Some(PyBytes::new(py, stats))
    }

    #[getter]
    fn generation_tokens(&self) -> u32 {
        self.0.generation_tokens
    }

    #[getter]
    fn inter_token_latencies(&self) -> &[f64] {
        &self.0.inter_token_latencies
    }

    #[getter]
    fn notable<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, u32, f64)> {
        let notable = self.0.notable.iter();
        let told = notable.map(|notable| {
            let before = notable.before;
            let output = PyBytes::new(py, &notable.output);
            (output, before.tokens, before.timestamp)
        });
        told.collect()
    }

    fn __repr__(&self) -> String {
        let Record {
            engine_index,
            timestamp,
            generation_tokens,
            notable,
            ..
        } = &self.0;
        format!(
            "StepRecord(engine_index={engine_index}, timestamp={timestamp}, \
             generation_tokens={generation_tokens}, notable={})",
            notable.len()
        )
    }
}
