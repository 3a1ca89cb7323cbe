//! Where a worker is in its life: one vocabulary for callbacks, the gauge, the log and Python.

use std::fmt;
use std::sync::Arc;

/// A worker's state.
///
/// A run passes them in the order of [`ALL`](Self::ALL). One that fails, or is asked to shut down, goes
/// on from where it is with `Draining`, or with `Stopped` where nothing was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its run has not begun.
    Init,
    /// The runtime is being connected.
    Connecting,
    /// The engine starts.
    Starting,
    /// Metrics, publishers and the card are set up.
    Registering,
    /// Requests are served.
    Serving,
    /// Shutdown has begun; requests in flight go on.
    Draining,
    /// The run is over. The worker cannot be used again.
    Stopped,
}

impl WorkerState {
    /// All of them, in the order in which a run passes them.
    pub const ALL: [Self; 7] = [
        Self::Init,
        Self::Connecting,
        Self::Starting,
        Self::Registering,
        Self::Serving,
        Self::Draining,
        Self::Stopped,
    ];

    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::Connecting => "Connecting",
            Self::Starting => "Starting",
            Self::Registering => "Registering",
            Self::Serving => "Serving",
            Self::Draining => "Draining",
            Self::Stopped => "Stopped",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Called with each state that is entered, on a thread of the runtime: it must not wait.
pub type OnState = Arc<dyn Fn(WorkerState) + Send + Sync>;
