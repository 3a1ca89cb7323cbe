//! What a run tells whoever watches it.

use std::sync::Arc;

/// A worker's way through a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
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
    /// The run is over.
    Stopped,
}

impl Event {
    /// All of them, in the order in which a run passes them.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Starting,
        Self::Registering,
        Self::Serving,
        Self::Draining,
        Self::Stopped,
    ];

    /// The event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Starting => "Starting",
            Self::Registering => "Registering",
            Self::Serving => "Serving",
            Self::Draining => "Draining",
            Self::Stopped => "Stopped",
        }
    }
}

/// Called on each event, on a thread of the runtime: it must not wait.
pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;
