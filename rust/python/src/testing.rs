//! Engines without a worker, for the Python module `dynamo_backend_common.testing`.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use dynamo_backend_worker::testing::{self, Client};
use dynamo_backend_worker::{
    DynamoError, EngineConfig, EngineStream, LLMEngine, LLMEngineOutput, PreprocessedRequest,
    RequestMetadata, Shutdown,
};
use futures::StreamExt;
use parking_lot::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::calls::{EventLoop, resolve};
use crate::context;
use crate::convert::{json, python};
use crate::errors;
use crate::inbox::Inbox;
use crate::python_engine::{Failure, PythonEngine};
use crate::runtime;
use crate::rust_engine::RustEngine;

/// An event loop on which engines are tested.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct TestLoop(EventLoop);

#[pymethods]
impl TestLoop {
    /// In a process that `prepare` prepared, with the inbox that the caller has `event_loop` read.
    #[staticmethod]
    fn open(event_loop: Py<PyAny>) -> PyResult<(Self, Inbox)> {
        let (inbox, outbox) = Inbox::open()?;
        Ok((Self(EventLoop::new(event_loop, outbox)), inbox))
    }

    fn context(
        &self,
        py: Python<'_>,
        id: String,
        metadata: RequestMetadata,
    ) -> PyResult<Py<TestContext>> {
        let (client, inner) = Client::new(id, metadata);
        let ended = CancellationToken::new();
        let context = context::RequestContext::new(inner, self.0.clone(), ended.clone());
        let own = TestContext {
            client,
            _ended: ended.drop_guard(),
        };
        Py::new(py, PyClassInitializer::from(context).add_subclass(own))
    }

    /// `engine`: a `RustEngine`, or the bridge around a Python engine.
    fn engine(&self, engine: &Bound<'_, PyAny>, name: &str) -> PyResult<TestEngine> {
        let (engine, failure): (Arc<dyn LLMEngine>, _) = match engine.cast::<RustEngine>() {
            Ok(handle) => (handle.get().driven()?, Failure::default()),
            Err(_) => {
                let shutdown = Shutdown::default();
                let engine = PythonEngine::new(engine, name, self.0.clone(), shutdown)?;
                let failure = engine.failure();
                (Arc::new(engine), failure)
            }
        };
        Ok(TestEngine {
            engine,
            failure,
            event_loop: self.0.clone(),
        })
    }
}

/// The context of a request that a test made, who may stop and kill it.
#[pyclass(frozen, extends = context::RequestContext, module = "dynamo_backend_common._core")]
pub(crate) struct TestContext {
    client: Client,
    /// Without it nobody stops the request any more, and nothing waits for that.
    _ended: DropGuard,
}

#[pymethods]
impl TestContext {
    fn stop(&self) {
        self.client.stop();
    }

    fn kill(&self) {
        self.client.kill();
    }
}

/// An engine as a worker calls it; what its methods return is to be awaited.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct TestEngine {
    engine: Arc<dyn LLMEngine>,
    failure: Failure,
    event_loop: EventLoop,
}

impl TestEngine {
    fn ask<'py, W, T>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(Arc<dyn LLMEngine>) -> W,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        W: Future<Output = Result<T, DynamoError>> + Send + 'static,
        T: for<'a> IntoPyObject<'a> + Send + 'static,
    {
        let work = work(self.engine.clone());
        awaited(py, &self.event_loop, self.failure.clone(), work)
    }
}

#[pymethods]
impl TestEngine {
    /// Gives a `TestConfig`.
    fn start<'py>(&self, py: Python<'py>, worker_id: u64) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, move |engine| async move {
            Ok(TestConfig(engine.start(worker_id).await?))
        })
    }

    /// Gives a list of `TestKvRecord`.
    fn record_kv_events<'py>(
        &self,
        py: Python<'py>,
        config: &TestConfig,
    ) -> PyResult<Bound<'py, PyAny>> {
        let config = config.0.clone();
        self.ask(py, move |engine| async move {
            let records = testing::record_kv_events(&*engine, &config).await?;
            Ok(records.into_iter().map(TestKvRecord).collect::<Vec<_>>())
        })
    }

    /// Gives a `TestStream`.
    fn generate<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        context: PyRef<'py, context::RequestContext>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = typed(request).map_err(|what| errors::invalid_argument(py, what))?;
        let context = context.inner().clone();
        let event_loop = self.event_loop.clone();
        self.ask(py, move |engine| async move {
            let stream = engine.generate(request, context).await?;
            Ok(TestStream {
                stream: Arc::new(Mutex::new(Some(stream))),
                closed: CancellationToken::new(),
                event_loop,
            })
        })
    }

    fn abort<'py>(
        &self,
        py: Python<'py>,
        context: PyRef<'py, context::RequestContext>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let context = context.inner().clone();
        self.ask(py, move |engine| async move {
            engine.abort(context).await;
            Ok(())
        })
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |engine| async move { engine.drain().await })
    }

    fn is_quiescent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |engine| async move { engine.is_quiescent().await })
    }

    fn cleanup<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |engine| async move { engine.cleanup().await })
    }

    fn health_check_payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |engine| async move {
            Ok(engine.health_check_payload().await?.map(json::Json))
        })
    }

    fn supported_controls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(
            py,
            |engine| async move { engine.supported_controls().await },
        )
    }

    fn engine_control<'py>(
        &self,
        py: Python<'py>,
        name: String,
        body: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let body = read_body(body)?;
        self.ask(py, move |engine| async move {
            engine.engine_control(&name, body).await.map(json::Json)
        })
    }

    fn validate_engine_control<'py>(
        &self,
        py: Python<'py>,
        name: String,
        body: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let body = read_body(body)?;
        self.ask(py, move |engine| async move {
            engine.validate_engine_control(&name, &body).await
        })
    }

    fn supported_updates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |engine| async move { engine.supported_updates().await })
    }

    fn engine_update<'py>(
        &self,
        py: Python<'py>,
        name: String,
        body: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let body = read_body(body)?;
        self.ask(py, move |engine| async move {
            engine.engine_update(&name, body).await.map(json::Json)
        })
    }
}

/// What an engine's `start` returned.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct TestConfig(EngineConfig);

/// The KV events of one rank, held against each other.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct TestKvRecord(testing::KvRecord);

#[pymethods]
impl TestKvRecord {
    #[getter]
    fn problems(&self) -> Vec<String> {
        self.0.problems()
    }
}

/// The chunks of one request; those that are ready together are one.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct TestStream {
    stream: Arc<Mutex<Option<EngineStream>>>,
    closed: CancellationToken,
    event_loop: EventLoop,
}

#[pymethods]
impl TestStream {
    /// Gives the next chunk, or None at the end.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (stream, closed) = (self.stream.clone(), self.closed.clone());
        awaited(py, &self.event_loop, Failure::default(), async move {
            let next = poll_fn(|cx| match &mut *stream.lock() {
                Some(stream) => stream.poll_next_unpin(cx),
                None => Poll::Ready(None),
            });
            tokio::select! {
                biased;
                () = closed.cancelled() => Ok(None),
                item = next => item.map(|item| item.map(Chunk)).transpose(),
            }
        })
    }

    /// Drops it, as the worker does when its client has left, or after its last chunk.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.closed.cancel();
        let stream = self.stream.clone();
        // There, as an engine's streams are dropped on the runtime.
        py.detach(|| -> PyResult<()> {
            runtime::tokio()?.spawn(async move { drop(stream.lock().take()) });
            Ok(())
        })
    }
}

/// A chunk that becomes a dict where the GIL is held.
struct Chunk(LLMEngineOutput);

impl<'py> IntoPyObject<'py> for Chunk {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        python::to_python(py, &self.0)
    }
}

fn read_body(body: &Bound<'_, PyAny>) -> PyResult<Value> {
    json::from_python(body, "body").map_err(|what| errors::invalid_argument(body.py(), what))
}

pub(crate) fn typed(request: &Bound<'_, PyAny>) -> Result<PreprocessedRequest, String> {
    let value: Value = json::from_python(request, "request")?;
    serde_json::from_value(value).map_err(|error| format!("request: {error}"))
}

/// A future of the loop, for what is done on the runtime; an error is raised from `failure`.
fn awaited<'py, T>(
    py: Python<'py>,
    event_loop: &EventLoop,
    failure: Failure,
    work: impl Future<Output = Result<T, DynamoError>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let future = event_loop.create_future(py)?;
    let (waiting, outbox) = (future.clone().unbind(), event_loop.outbox.clone());
    runtime::tokio()?.spawn(async move {
        let answer = work.await;
        outbox.post(move |py| {
            let answer = match answer {
                Ok(answer) => answer.into_py_any(py),
                Err(error) => Err(errors::to_exception(py, &error, failure.lock().take())),
            };
            resolve(waiting.bind(py), answer)
        });
    });
    Ok(future)
}
