//! What is so before anybody can see the worker's instance.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use socket2::SockRef;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::config::WorkerConfig;
use crate::discovery::Readiness;
use crate::engines::Echo;
use crate::process::{Scope, prepare_environment};
use crate::shutdown::Shutdown;
use crate::state::WorkerState;
use crate::worker::Worker;

/// Looks around when the runtime begins to start the endpoint.
struct AtTheEndpoint {
    readiness: Arc<Readiness>,
    /// Whether a shutdown would unregister the instance, and whether the listener has no Nagle.
    seen: Arc<Mutex<Vec<(bool, bool)>>>,
}

impl Subscriber for AtTheEndpoint {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "dynamo_runtime::component::endpoint"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        let must_unregister = self.readiness.presence().must_unregister();
        let no_nagle = listens_without_nagle();
        self.seen.lock().push((must_unregister, no_nagle));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn listens_without_nagle() -> bool {
    (3..1024).any(|fd| {
        // SAFETY: one that is not open fails in the calls, which change nothing.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let socket = SockRef::from(&fd);
        socket.is_listener().unwrap_or(false) && socket.nodelay().unwrap_or(false)
    })
}

#[test]
fn section_12_13_an_instance_is_known_to_be_there_and_fast_before_it_is_registered() {
    let mut config = WorkerConfig::default();
    config.runtime.discovery_backend = Some("mem".into());
    prepare_environment(&config, Scope::Process);
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    let worker = Worker::new(Arc::new(Echo::new("echo", Default::default())), config)
        .with_shutdown(shutdown)
        .on_state(Arc::new(move |state| {
            if state == WorkerState::Serving {
                asked.ask();
            }
        }));
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let seen: Arc<Mutex<Vec<(bool, bool)>>> = Arc::default();
    tokio.block_on(async {
        let run = worker.begin().unwrap();
        let looks = AtTheEndpoint {
            readiness: run.member.readiness.clone(),
            seen: seen.clone(),
        };
        let _looking = tracing::subscriber::set_default(looks);
        run.to_the_end().await.0.unwrap();
    });
    assert_eq!(seen.lock()[0], (true, true));
}
