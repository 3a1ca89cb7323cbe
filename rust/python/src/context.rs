//! The context of a request, for Python engines.

use std::sync::Arc;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker as worker;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio_util::sync::CancellationToken;

use crate::buffer::Writer;
use crate::calls::EventLoop;
use crate::convert::reading::Reading;
use crate::convert::shown;
use crate::errors;
use crate::signal::Signal;
use crate::span::Span;

/// The context of one request: its identity, and whether it is still wanted.
#[pyclass(frozen, subclass, module = "dynamo_backend_common._core")]
pub(crate) struct RequestContext {
    inner: worker::RequestContext,
    event_loop: EventLoop,
    /// Flips when the request's stream is gone: nothing waits for a stop that cannot come.
    ended: CancellationToken,
    /// Where the request's chunks go, and who reads them; `None` of a context that is only told, as
    /// by `abort`.
    stream: Option<(Writer, Arc<Reading>)>,
    stopped: Signal,
    killed: Signal,
    /// Made when it is asked for; from then on the engine's to change.
    metadata: Mutex<Option<Py<PyDict>>>,
    origin: Origin,
}

impl RequestContext {
    pub(crate) fn new(
        inner: worker::RequestContext,
        event_loop: EventLoop,
        ended: CancellationToken,
    ) -> Self {
        Self {
            inner,
            event_loop,
            ended,
            stream: None,
            stopped: Signal::default(),
            killed: Signal::default(),
            metadata: Mutex::default(),
            origin: Origin::here(),
        }
    }

    pub(crate) fn with_stream(mut self, writer: Writer, reading: Arc<Reading>) -> Self {
        self.stream = Some((writer, reading));
        self
    }

    pub(crate) fn inner(&self) -> &worker::RequestContext {
        &self.inner
    }

    /// Waits until a step loop is to let go of the request, or nobody reads its stream any more.
    pub(crate) fn unread(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let (context, ended) = (self.inner.clone(), self.ended.clone());
        async move {
            tokio::select! {
                _ = context.abortable() => {}
                _ = ended.cancelled() => {}
            }
        }
    }

    pub(crate) fn stream(&self) -> Option<(Writer, Arc<Reading>)> {
        self.stream.clone()
    }
}

#[pymethods]
impl RequestContext {
    #[getter]
    fn id(&self) -> &str {
        self.inner.id()
    }

    #[getter]
    fn metadata(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        if let Some(metadata) = &*self.metadata.lock() {
            return Ok(metadata.clone_ref(py));
        }
        let made = self.inner.metadata().into_pyobject(py)?.unbind();
        // Of two threads that make one, both get the first.
        let mut metadata = self.metadata.lock();
        Ok(metadata.get_or_insert(made).clone_ref(py))
    }

    #[setter]
    fn set_metadata(&self, py: Python<'_>, metadata: &Bound<'_, PyAny>) -> PyResult<()> {
        let read: worker::RequestMetadata = metadata.extract().map_err(|_| {
            errors::invalid_argument(
                py,
                format!(
                    "metadata is {}; accepted: a dict of str to str",
                    shown::described(metadata)
                ),
            )
        })?;
        let made = read.into_pyobject(py)?.unbind();
        // Whatever drops with it may ask for this one.
        let before = self.metadata.lock().replace(made);
        drop(before);
        Ok(())
    }

    #[getter]
    fn trace_id(&self) -> Option<&str> {
        self.inner.trace_headers().map(|trace| trace.trace_id())
    }

    #[getter]
    fn span_id(&self) -> Option<&str> {
        self.inner.trace_headers().map(|trace| trace.span_id())
    }

    #[getter]
    fn parent_span_id(&self) -> Option<&str> {
        self.inner.trace()?.parent_span_id()
    }

    fn current_span(&self) -> Span {
        Span::new(self.inner.current_span())
    }

    #[pyo3(signature = (name, attributes = None))]
    fn start_span(&self, name: String, attributes: Option<&Bound<'_, PyAny>>) -> PyResult<Span> {
        Span::begin(&self.inner.current_span(), name, attributes)
    }

    fn trace_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        if let Some(trace) = self.inner.trace_headers() {
            headers.set_item(intern!(py, "traceparent"), &trace.traceparent)?;
            if let Some(state) = &trace.tracestate {
                headers.set_item(intern!(py, "tracestate"), state)?;
            }
        }
        Ok(headers)
    }

    fn is_stopped(&self) -> bool {
        self.inner.is_stopped()
    }

    fn is_killed(&self) -> bool {
        self.inner.is_killed()
    }

    fn stopped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (context, ended) = (self.inner.clone(), self.ended.clone());
        self.stopped.future(py, &self.event_loop, async move {
            tokio::select! {
                _ = context.stopped() => {}
                _ = ended.cancelled() => {}
            }
        })
    }

    fn killed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (context, ended) = (self.inner.clone(), self.ended.clone());
        self.killed.future(py, &self.event_loop, async move {
            tokio::select! {
                _ = context.killed() => {}
                _ = ended.cancelled() => {}
            }
        })
    }

    fn notify_first_token(&self) {
        if self.origin.is_here() {
            self.inner.notify_first_token();
        }
    }

    fn stop_generating(&self) {
        if self.origin.is_here() {
            self.inner.stop_generating();
        }
    }

    fn detached(&self, py: Python<'_>, id: String) -> PyResult<Self> {
        let inner = self.inner.detached(id);
        let mut made = Self::new(inner, self.event_loop.clone(), self.ended.child_token());
        made.origin = self.origin;
        let metadata = self.metadata(py)?.bind(py).copy()?;
        *made.metadata.lock() = Some(metadata.unbind());
        Ok(made)
    }

    /// Two contexts are equal where they are of one request, whatever ids the clients chose.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| other.get().inner.is_same(&self.inner))
    }

    fn __hash__(&self) -> u64 {
        self.inner.identity()
    }

    fn __repr__(&self) -> String {
        format!("RequestContext(id={:?})", self.inner.id())
    }
}
