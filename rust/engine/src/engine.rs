//! What an engine is.

use std::future::Future;

use serde_json::Value;

use crate::answer::Answer;
use crate::chunk::Finish;
use crate::config::{EngineConfig, WorkerSettings};
use crate::error::Error;
use crate::host::Host;
use crate::metrics::{Metrics, MetricsContext};
use crate::publish::KvEventSource;
use crate::request::{Request, RequestKey};

/// An engine: the object that produces tokens.
///
/// Only [`start`](Self::start), [`generate`](Self::generate) and [`cleanup`](Self::cleanup) are
/// required. `generate`, `abort`, `engine_control`, `validate_engine_control` and `metrics_text` may run
/// several at a time; the others do not. Write them as `async fn`.
pub trait Engine: Send + Sync + 'static {
    /// How messages and logs call the engine: the path of its type, such as `my_engine::Echo`.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Learns how the operator configured the worker. Before `start`.
    fn configure(&self, _settings: &WorkerSettings) {}

    /// Loads what `generate` needs. Called once, and never dropped midway. `worker_id` is unique per
    /// replica and stable.
    fn start(
        &self,
        host: Host,
        worker_id: u64,
    ) -> impl Future<Output = Result<EngineConfig, Error>> + Send;

    /// Serves one request: gives `answer` its chunks, and returns the last one.
    ///
    /// When nobody wants the answer any more, the future is dropped at its next `await`, or its next
    /// chunk is refused with an error that `?` passes on: either way the client is told that the
    /// answer was cancelled.
    fn generate(
        &self,
        request: &Request,
        answer: &mut Answer,
    ) -> impl Future<Output = Result<Finish, Error>> + Send;

    /// The request was stopped, or its client has left. Its `generate` may be over. Must not wait.
    fn abort(&self, _request: RequestKey) {}

    /// Fails when the engine can serve no more: the worker then leaves, and its requests are cut
    /// with the error on which frontends try another worker. Returning says that there is nothing to
    /// watch, which is the default. Dropped when it is not needed any more.
    fn watch(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Called once in shutdown, before `cleanup`. A failure is logged only.
    fn drain(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Whether nothing is left to hand over, asked of a prefill engine after `drain`. `None`, the
    /// default: it cannot tell.
    fn is_quiescent(&self) -> impl Future<Output = Result<Option<bool>, Error>> + Send {
        std::future::ready(Ok(None))
    }

    /// Releases everything, also of an engine whose `start` failed. May be called twice.
    fn cleanup(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Called once, after `start`.
    fn setup_metrics(
        &self,
        _context: MetricsContext,
    ) -> impl Future<Output = Result<Metrics, Error>> + Send {
        std::future::ready(Ok(Metrics::default()))
    }

    /// The engine's own metrics in Prometheus' text format. Called when somebody looks, where
    /// `setup_metrics` said that there are such; also while `cleanup` runs, and just behind it.
    fn metrics_text(&self) -> Result<String, Error> {
        Ok(String::new())
    }

    /// Where KV events come from, a source for each data-parallel rank at most.
    fn kv_event_sources(&self) -> impl Future<Output = Result<Vec<KvEventSource>, Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// The payload of the health canary, a JSON object.
    fn health_check_payload(&self) -> impl Future<Output = Result<Option<Value>, Error>> + Send {
        std::future::ready(Ok(None))
    }

    /// From here on [`Host::publish_adapter`] works.
    fn on_adapter_cards(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Names of the controls that become routes of the system server.
    fn supported_controls(&self) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Performs one control, with the JSON body of the call.
    fn engine_control(
        &self,
        name: &str,
        _body: Value,
    ) -> impl Future<Output = Result<Value, Error>> + Send {
        let refused = format!("{} supports no control '{name}'", self.name());
        std::future::ready(Err(Error::invalid_argument(refused)))
    }

    /// Refuses a control that could not be performed, before the worker changes anything for it.
    fn validate_engine_control(
        &self,
        _name: &str,
        _body: &Value,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Names of the updates that become routes of the system server, where the worker knows updates.
    fn supported_updates(&self) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Performs one update, with the JSON body of the call; one at a time. Of one that fails, the
    /// adapters that it published and withdrew while it was awaited are put back; what a task of its
    /// own did stays.
    fn engine_update(
        &self,
        name: &str,
        _body: Value,
    ) -> impl Future<Output = Result<Value, Error>> + Send {
        let refused = format!("{} supports no update '{name}'", self.name());
        std::future::ready(Err(Error::invalid_argument(refused)))
    }
}
