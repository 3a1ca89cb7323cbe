//! The task of one request on the event loop, as the reader of its stream sees it.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

/// The pump of one request, `dynamo_backend_common._serving.pump.Pump`, from its beginning to its end.
/// Held here alone, and let go of on the event loop's thread; where that runs no more, PyO3 releases it whenever
/// somebody next takes the GIL.
#[derive(Clone, Default)]
pub(crate) struct RequestPump {
    slot: Arc<Slot>,
}

#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    NotBegun,
    Runs(Py<PyAny>),
    Ended,
}

/// Where the pump says that it has ended.
pub(crate) struct PumpEnd(Weak<Slot>);

impl RequestPump {
    /// `None`: the request was refused, and has none.
    pub(crate) fn set(&self, pump: Option<Py<PyAny>>) {
        *self.slot.0.lock() = pump.map_or(State::Ended, State::Runs);
    }

    pub(crate) fn end(&self) -> PumpEnd {
        PumpEnd(Arc::downgrade(&self.slot))
    }

    /// Whether there is nobody to be told of anything.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(*self.slot.0.lock(), State::Ended)
    }

    /// Nobody wants more of its stream.
    pub(crate) fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        match self.take() {
            Some(pump) => pump.bind(py).call_method0(intern!(py, "cancel")).map(drop),
            None => Ok(()),
        }
    }

    /// Its stream was over a moment ago.
    pub(crate) fn overstays(&self, py: Python<'_>) -> PyResult<()> {
        match self.take() {
            Some(pump) => pump
                .bind(py)
                .call_method0(intern!(py, "overstays"))
                .map(drop),
            None => Ok(()),
        }
    }

    fn take(&self) -> Option<Py<PyAny>> {
        match std::mem::replace(&mut *self.slot.0.lock(), State::Ended) {
            State::Runs(pump) => Some(pump),
            State::NotBegun | State::Ended => None,
        }
    }
}

impl PumpEnd {
    /// It has ended. On the event loop's thread, which holds the GIL.
    pub(crate) fn has_come(&self) {
        if let Some(slot) = self.0.upgrade() {
            let pump = std::mem::replace(&mut *slot.0.lock(), State::Ended);
            drop(pump);
        }
    }
}
