//! What keeps the publisher of one rank open.

use std::time::Duration;

use tokio::time::Instant;

use super::kv_publisher::KvPublisher;
use super::kv_socket::KvSocket;

/// What the runtime's tasks get to send the events that were handed to them last.
const SETTLE: Duration = Duration::from_millis(100);

/// Holds a rank's publisher open as long as it lives, however many the engine keeps.
pub(crate) struct OpenKvPublisher {
    pub(super) publisher: KvPublisher,
    /// Where the engine's events come by a socket; nobody sees the last one.
    pub(super) socket: Option<KvSocket>,
}

impl OpenKvPublisher {
    pub(super) fn new(publisher: KvPublisher) -> Self {
        Self {
            publisher,
            socket: None,
        }
    }

    /// When everything that was published is on its way: the runtime's publisher, when it goes,
    /// drops what it has not looked at, and tells nobody.
    pub(crate) fn settled(&self) -> Option<Instant> {
        let last = match self.socket {
            Some(_) => Some(Instant::now()),
            None => self.publisher.last(),
        };
        last.map(|last| last + SETTLE)
    }
}

impl Drop for OpenKvPublisher {
    fn drop(&mut self) {
        self.publisher.close();
    }
}
