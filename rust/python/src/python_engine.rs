//! A Python engine: its hooks are called on the event loop's thread, and awaited there.

use std::convert::Infallible;
use std::sync::Arc;

use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::{DynamoError, Shutdown};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::calls::EventLoop;
use crate::convert::reading::Reading;
use crate::errors;

/// The exception that ended `start`, so that `run` can raise its error from it.
pub(crate) type Failure = Arc<Mutex<Option<PyErr>>>;

#[derive(Clone)]
pub(crate) struct PythonEngine {
    /// `dynamo_backend_common._serving.bridge.Bridge` around the user's object.
    pub(crate) bridge: Arc<Py<PyAny>>,
    pub(crate) name: Arc<str>,
    /// Whether it wants the prompt as a list.
    pub(crate) as_list: bool,
    pub(crate) reading: Arc<Reading>,
    pub(crate) event_loop: EventLoop,
    shutdown: Shutdown,
    failure: Failure,
}

impl PythonEngine {
    pub(crate) fn new(
        bridge: &Bound<'_, PyAny>,
        name: &str,
        event_loop: EventLoop,
        shutdown: Shutdown,
    ) -> PyResult<Self> {
        let name: Arc<str> = name.into();
        Ok(Self {
            as_list: bridge.getattr("token_ids_as_list")?.is_truthy()?,
            bridge: Arc::new(bridge.clone().unbind()),
            reading: Arc::new(Reading::of(name.clone())),
            name,
            event_loop,
            shutdown,
            failure: Failure::default(),
        })
    }

    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// What [`call`](Self::call) keeps an exception in, where the run fails with the hook: `run`
    /// then raises its error from it.
    pub(crate) fn fatal(&self) -> Option<Failure> {
        Some(self.failure.clone())
    }

    /// The error of what the engine raised while its answer was read; `run` raises it from that.
    pub(crate) fn failed(&self, py: Python<'_>, raised: PyErr) -> DynamoError {
        let error = errors::from_exception(py, &raised);
        *self.failure.lock() = Some(raised);
        error
    }

    /// Hands a publisher to the engine's callback of this name.
    pub(crate) fn hand_over<P>(
        &self,
        name: &'static str,
        on_ready: Py<PyAny>,
        publisher: P,
    ) -> BoxFuture<'static, Result<(), DynamoError>>
    where
        P: for<'py> IntoPyObject<'py> + Send + 'static,
    {
        let (engine, arguments) = (self.clone(), (name, on_ready, publisher));
        async move {
            engine
                .call("hand_over", arguments, engine.fatal(), |_| Ok(()))
                .await
        }
        .boxed()
    }

    /// Tells an engine that is starting of a shutdown: what it loads is not wanted any more.
    pub(crate) async fn tell_shutdown(&self) -> Infallible {
        self.shutdown.asked().await;
        let bridge = self.bridge.clone();
        self.event_loop.outbox.post(move |py| {
            bridge.bind(py).call_method0("shutdown_asked")?;
            Ok(())
        });
        std::future::pending().await
    }

    /// What a hook that the run fails with answers: names.
    pub(crate) async fn names(&self, hook: &'static str) -> Result<Vec<String>, DynamoError> {
        self.call(hook, (), self.fatal(), move |answer| {
            answer
                .extract()
                .map_err(|_| invalid_argument(format!("{hook}: must return a sequence of names")))
        })
        .await
    }

    /// Calls a hook and reads its answer; what it raises is kept in `failure`, if there is one.
    pub(crate) async fn call<A, R, T>(
        &self,
        hook: &'static str,
        arguments: A,
        failure: Option<Failure>,
        read: R,
    ) -> Result<T, DynamoError>
    where
        A: for<'py> pyo3::call::PyCallArgs<'py> + Send + 'static,
        R: FnOnce(&Bound<'_, PyAny>) -> Result<T, DynamoError> + Send + 'static,
        T: Send + 'static,
    {
        let bridge = self.bridge.clone();
        let read = move |py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>| match answer {
            Ok(answer) => read(&answer),
            Err(raised) => {
                let error = errors::from_exception(py, &raised);
                if let Some(failure) = failure {
                    *failure.lock() = Some(raised);
                }
                Err(error)
            }
        };
        self.event_loop
            .call(
                move |py| bridge.bind(py).call_method1(hook, arguments),
                read,
            )
            .await
    }
}
