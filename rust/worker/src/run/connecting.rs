//! Connecting the runtime, and what a failure says.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use dynamo_backend_environment::{
    ETCD_ENDPOINTS, NATS_SERVER, NATS_STARTUP_CONNECT_TIMEOUT_SECONDS, Variable,
};
use dynamo_runtime::component::{ComponentBuilder, Endpoint};
use dynamo_runtime::distributed::{DiscoveryBackend, DistributedConfig};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::storage::kv;
use dynamo_runtime::transports::nats;
use dynamo_runtime::{DistributedRuntime, Runtime};
use futures::FutureExt;
use parking_lot::Mutex;

use super::kubernetes;
use crate::config::WorkerConfig;
use crate::credentials;
use crate::discovery::Backend;
use crate::error::{BackendError, cannot_connect, invalid_argument, kind};
use crate::panics::panic_message;

/// How long the runtime may try NATS within one attempt; what went wrong is told after each.
const NATS_ATTEMPT: Duration = Duration::from_secs(5);

/// What is known between two attempts.
#[derive(Default)]
pub(super) struct Connecting {
    /// The first attempt has begun.
    is_begun: AtomicBool,
    /// The runtime connected: what fails after that would fail again.
    is_reached: AtomicBool,
    /// A runtime whose discovery does not answer yet.
    unreached: Mutex<Option<DistributedRuntime>>,
}

/// A runtime that is connected, and the worker's endpoint on it.
pub(super) struct Connected {
    pub(super) drt: DistributedRuntime,
    pub(super) endpoint: Endpoint,
}

impl Connecting {
    /// Whether the first attempt begins now.
    pub(super) fn begins(&self) -> bool {
        !self.is_begun.swap(true, Ordering::Relaxed)
    }

    /// Connects once.
    pub(super) async fn attempt(
        &self,
        runtime: &Runtime,
        config: &WorkerConfig,
    ) -> Result<Connected, DynamoError> {
        let drt = self.reach(runtime).await?;
        self.is_reached.store(true, Ordering::Relaxed);
        let endpoint =
            endpoint(&drt, config).map_err(|error| cannot_connect(format!("{error:#}")))?;
        warn_of_the_runtimes_own_server(&drt);
        Ok(Connected { drt, endpoint })
    }

    /// Whether an attempt that failed with `error` may succeed later.
    pub(super) fn is_worth_retrying(&self, error: &DynamoError) -> bool {
        kind(error) != BackendError::InvalidArgument
            && !self.is_reached.load(Ordering::Relaxed)
            && !is_hopeless()
    }

    async fn reach(&self, runtime: &Runtime) -> Result<DistributedRuntime, DynamoError> {
        let config = settings()?;
        let is_kubernetes = matches!(config.discovery_backend, DiscoveryBackend::Kubernetes);
        if let Some(missing) = is_kubernetes.then(kubernetes::missing).flatten() {
            return Err(cannot_connect(missing));
        }
        let connecting = async {
            // A runtime that only its discovery kept from being connected is there already.
            let unreached = self.unreached.lock().take();
            let drt = match unreached {
                Some(drt) => drt,
                None => DistributedRuntime::new(runtime.clone(), config).await?,
            };
            // The client of Kubernetes is there before anybody answers it.
            if is_kubernetes && let Err(error) = drt.discovery().check_connection().await {
                *self.unreached.lock() = Some(drt);
                return Err(error.context("the Kubernetes API does not list Dynamo's workers"));
            }
            Ok(drt)
        };
        match AssertUnwindSafe(connecting).catch_unwind().await {
            Ok(Ok(drt)) => Ok(drt),
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                // The one that the error is about: NATS names itself.
                let is_nats = error.contains("NATS");
                let mut places = places();
                places.retain(|place| place.contains("NATS") == is_nats);
                Err(cannot_connect(with(error, places)))
            }
            Err(panic) => Err(cannot_connect(format!(
                "the runtime panicked: {}",
                panic_message(&*panic)
            ))),
        }
    }
}

/// The worker's endpoint, in a component that its namespace does not keep.
///
/// `Namespace::component` keeps it beside the namespace, which the component owns in turn: neither
/// of them, nor the runtime that both own, would ever be freed.
fn endpoint(drt: &DistributedRuntime, config: &WorkerConfig) -> anyhow::Result<Endpoint> {
    let namespace = drt.namespace(config.effective_namespace())?;
    let component = ComponentBuilder::from_runtime(Arc::new(drt.clone()))
        .name(&config.component)
        .namespace(namespace.clone())
        .build()?;
    namespace
        .get_metrics_registry()
        .add_child_registry(component.get_metrics_registry());
    Ok(component.endpoint(&config.endpoint))
}

/// Its routes are not the worker's: it answers controls to everybody, and does not know of these.
fn warn_of_the_runtimes_own_server(drt: &DistributedRuntime) {
    static WARNED: Once = Once::new();
    if let Some(info) = drt.system_status_server_info() {
        WARNED.call_once(|| {
            tracing::warn!(
                address = %info.socket_addr,
                "the runtime's own system server is up, which has no engine controls; call \
                 RuntimeConfig::apply_to_env before the runtime is built to have the worker's"
            );
        });
    }
}

/// What is known of the discovery backend.
pub(super) fn backend() -> Backend {
    match settings().map(|config| config.discovery_backend) {
        Ok(DiscoveryBackend::Kubernetes) => Backend::OfReadyPods,
        Ok(DiscoveryBackend::KvStore(kv::Selector::Etcd(_))) => Backend::Leased,
        _ => Backend::Local,
    }
}

/// The environment cannot change: what is missing in it stays missing.
fn is_hopeless() -> bool {
    backend() == Backend::OfReadyPods && kubernetes::missing().is_some()
}

/// The last word of attempts without an answer: with every place where one was looked for.
pub(super) fn gave_up(message: String) -> DynamoError {
    let places = places();
    // An attempt that had an answer names its place already.
    if places.iter().any(|place| message.contains(place)) {
        return cannot_connect(message);
    }
    cannot_connect(with(message, places))
}

fn with(message: String, places: Vec<String>) -> String {
    [vec![message], places].concat().join("; ")
}

/// What the environment says, in the runtime's reading.
fn settings() -> Result<DistributedConfig, DynamoError> {
    let bad = |error: anyhow::Error| invalid_argument(format!("{error:#}"));
    let mut config = DistributedConfig::try_from_settings().map_err(bad)?;
    if config.nats_config.is_none() {
        return Ok(config);
    }
    if let Some(server) = NATS_SERVER.text()
        && !["nats://", "tls://"]
            .iter()
            .any(|scheme| server.starts_with(scheme))
    {
        return Err(invalid_argument(format!(
            "{NATS_SERVER} is '{}', which is no address of NATS; it begins with nats:// or tls://",
            credentials::without(&server)
        )));
    }
    if NATS_STARTUP_CONNECT_TIMEOUT_SECONDS.value().is_none() {
        let options = nats::Client::builder()
            .startup_connect_timeout(NATS_ATTEMPT)
            .build();
        config.nats_config = Some(options.map_err(|error| bad(error.into()))?);
    }
    Ok(config)
}

/// Where the runtime looks for the servers that it connects to.
fn places() -> Vec<String> {
    let Ok(config) = DistributedConfig::try_from_settings() else {
        return Vec::new();
    };
    let place = |variable: Variable, otherwise: &str| match variable.text() {
        Some(value) => format!("{variable} is {}", credentials::without(&value)),
        None => format!("{variable} is not set, so {otherwise} on this machine"),
    };
    let nats = config
        .nats_config
        .map(|_| place(NATS_SERVER, "NATS was looked for"));
    let etcd = match config.discovery_backend {
        DiscoveryBackend::KvStore(kv::Selector::Etcd(_)) => {
            Some(place(ETCD_ENDPOINTS, "etcd was looked for"))
        }
        _ => None,
    };
    [nats, etcd].into_iter().flatten().collect()
}
