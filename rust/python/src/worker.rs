//! `WorkerCore`: one worker, seen from Python.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::error::unknown;
use dynamo_backend_worker::{
    Frontend, Hold, LLMEngine, OnState, Shutdown, Worker, WorkerConfig, WorkerState,
};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use tokio::sync::watch;

use crate::calls::{EventLoop, resolve};
use crate::convert::{config, report};
use crate::errors;
use crate::inbox::Inbox;
use crate::logging;
use crate::python_engine::{Failure, PythonEngine};
use crate::runtime;
use crate::rust_engine::RustEngine;

/// One worker: configured at once, run once.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct WorkerCore {
    /// A `RustEngine`, or the bridge around a Python engine.
    engine: Py<PyAny>,
    engine_name: String,
    pub(crate) config: Mutex<WorkerConfig>,
    pub(crate) frontend: Option<Frontend>,
    shutdown: Shutdown,
    /// Of the run; `None` before it.
    run: Mutex<Option<Running>>,
    hold: Arc<Mutex<Held>>,
}

/// What the run holds of the process beyond its end.
#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Something(#[allow(dead_code, reason = "held until it is dropped")] Hold),
    /// Whoever wanted to end something within the deadline has.
    Released,
}

/// What is seen of a run.
struct Running {
    origin: Origin,
    state: watch::Receiver<WorkerState>,
    http_address: Arc<OnceLock<SocketAddr>>,
    served_name: Arc<OnceLock<String>>,
}

#[pymethods]
impl WorkerCore {
    #[new]
    #[pyo3(signature = (engine, engine_name, config, *, http))]
    fn new(
        py: Python<'_>,
        engine: Py<PyAny>,
        engine_name: String,
        config: &Bound<'_, PyAny>,
        http: Option<(String, u16)>,
    ) -> PyResult<Self> {
        let config = config::worker_config(config)
            .and_then(|config| config.validate().map(|()| config))
            .map_err(|error| errors::to_exception(py, &error, None))?;
        let frontend = http
            .map(|(host, port)| Ok::<_, PyErr>(Frontend::new(resolve_host(py, &host)?, port)))
            .transpose()?;
        Ok(Self {
            engine,
            engine_name,
            config: Mutex::new(config),
            frontend,
            shutdown: Shutdown::default(),
            run: Mutex::default(),
            hold: Arc::default(),
        })
    }

    /// Begins the run, in a process that `prepare` prepared. Answers the inbox, which the
    /// caller has `event_loop` read until the end, and a future of the loop with the arguments of the
    /// run's `Report`. `on_state` is called on the loop with each state that is entered.
    fn serve<'py>(
        &self,
        py: Python<'py>,
        event_loop: Bound<'py, PyAny>,
        on_state: Py<PyAny>,
    ) -> PyResult<(Inbox, Bound<'py, PyAny>)> {
        if self.run.lock().is_some() {
            return Err(errors::internal(
                "a Worker is used once: make a new one for another run",
            ));
        }
        let (inbox, outbox) = Inbox::open()?;
        let event_loop = EventLoop::new(event_loop.unbind(), outbox);
        let (engine, failure) = self.engine(py, &event_loop)?;
        let mut worker =
            Worker::new(engine, self.config.lock().clone()).with_shutdown(self.shutdown.clone());
        if let Some(frontend) = self.frontend {
            worker = worker.with_frontend(frontend);
        }
        worker = worker.on_state(forward(on_state, event_loop.clone()));
        *self.run.lock() = Some(Running {
            origin: Origin::here(),
            state: worker.state(),
            http_address: worker.http_address(),
            served_name: worker.served_name(),
        });

        let future = event_loop.create_future(py)?;
        let waiting = future.clone().unbind();
        let tokio = runtime::tokio()?;
        let run = {
            let _inside = tokio.enter();
            worker
                .begin()
                .map_err(|error| errors::to_exception(py, &error, None))?
        };
        logging::attach(&event_loop.outbox);
        let (shutdown, held) = (self.shutdown.clone(), self.hold.clone());
        // A task within the task: whatever happens to the run, the future gets its answer.
        let run = tokio.spawn(run.to_the_end());
        tokio.spawn(async move {
            let result = match run.await {
                Ok((result, hold)) => {
                    let mut held = held.lock();
                    if matches!(*held, Held::Nothing) {
                        *held = Held::Something(hold);
                    }
                    result
                }
                Err(crash) => Err(unknown(format!("the run crashed: {crash}"))),
            };
            event_loop.outbox.post(move |py| {
                let result = match result {
                    Ok(report) => report::to_python(py, &report, !shutdown.came_by_signal()),
                    Err(error) => Err(errors::to_exception(py, &error, failure.lock().take())),
                };
                resolve(waiting.bind(py), result)
            });
        });
        Ok((inbox, future))
    }

    /// An engine of the user's may well have the worker.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.engine)
    }

    /// Gives the signals back and calls the deadline off, after the run.
    fn release(&self) {
        let held = std::mem::replace(&mut *self.hold.lock(), Held::Released);
        drop(held);
    }

    /// The worker's state by its name.
    #[getter]
    fn state(&self) -> &'static str {
        let run = self.run.lock();
        run.as_ref()
            .map_or(WorkerState::Init, |run| *run.state.borrow())
            .as_str()
    }

    /// Address and port of the frontend, once it listens.
    #[getter]
    fn http_address(&self) -> Option<(String, u16)> {
        let run = self.run.lock();
        let address = run.as_ref()?.http_address.get()?;
        Some((address.ip().to_string(), address.port()))
    }

    /// The public name of the model, once the engine has started.
    #[getter]
    fn served_model_name(&self) -> Option<String> {
        self.run.lock().as_ref()?.served_name.get().cloned()
    }

    /// Asks for shutdown, before or during the run, from any thread. Repeating it changes nothing.
    /// In a child that was forked from the run it changes nothing either.
    fn shutdown(&self) {
        let elsewhere = |run: &Running| !run.origin.is_here();
        if !self.run.lock().as_ref().is_some_and(elsewhere) {
            self.shutdown.ask();
        }
    }
}

impl WorkerCore {
    fn engine(
        &self,
        py: Python<'_>,
        event_loop: &EventLoop,
    ) -> PyResult<(Arc<dyn LLMEngine>, Failure)> {
        if let Ok(handle) = self.engine.bind(py).cast::<RustEngine>() {
            return Ok((handle.get().driven()?, Failure::default()));
        }
        let bridge = self.engine.bind(py);
        let shutdown = self.shutdown.clone();
        let engine = PythonEngine::new(bridge, &self.engine_name, event_loop.clone(), shutdown)?;
        let failure = engine.failure();
        Ok((Arc::new(engine), failure))
    }
}

/// Passes the worker's states to Python's callback, on the loop's thread.
fn forward(on_state: Py<PyAny>, event_loop: EventLoop) -> OnState {
    let on_state = Arc::new(on_state);
    Arc::new(move |state: WorkerState| {
        let on_state = on_state.clone();
        event_loop
            .outbox
            .post(move |py| on_state.bind(py).call1((state.as_str(),)).map(drop));
    })
}

fn resolve_host(py: Python<'_>, host: &str) -> PyResult<IpAddr> {
    let found = py.detach(|| {
        (host, 0)
            .to_socket_addrs()
            .ok()?
            .next()
            .map(|a: SocketAddr| a.ip())
    });
    found.ok_or_else(|| {
        errors::invalid_argument(
            py,
            format!("http_host: '{host}' is no address of this machine"),
        )
    })
}
