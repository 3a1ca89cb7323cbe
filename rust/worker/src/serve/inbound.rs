//! Requests from the moment that the runtime has them: it queues what exceeds its own limit
//! (`DYN_ENGINE_REQUEST_LIMIT`, `DYN_TCP_WORKER_POOL_SIZE`), and opens the way back before it
//! calls the engine.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use axum::body::Bytes;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::pipeline::network::{Ingress, PushWorkHandler};
use dynamo_runtime::pipeline::{ManyOut, PipelineError, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use tokio::sync::Notify;

use super::adapter::EngineAdapter;
use crate::admission::{Admission, Admitted};

tokio::task_local! {
    /// The request that the runtime is handling in this task; `None` once it was refused.
    static ARRIVED: Cell<Option<Admitted>>;
}

/// Who holds the handler without a request.
const ENDPOINT_AND_THIS: usize = 2;

/// The runtime's handler of requests, which admits each one as it gets its turn.
pub(crate) struct Inbound {
    handler: Arc<dyn PushWorkHandler>,
    admission: Admission,
    /// Requests that have their turn.
    handling: AtomicUsize,
}

impl Inbound {
    pub(crate) fn new(adapter: Arc<EngineAdapter>, admission: Admission) -> anyhow::Result<Arc<Self>> {
        type Request = SingleIn<PreprocessedRequest>;
        type Response = ManyOut<Annotated<LLMEngineOutput>>;
        Ok(Arc::new(Self {
            handler: Ingress::<Request, Response>::for_engine(adapter)?,
            admission,
            handling: AtomicUsize::new(0),
        }))
    }

    /// Requests that wait for their turn in the runtime's queue. Each of its requests holds the
    /// handler, and so does the endpoint.
    pub(crate) fn queued(this: &Weak<Self>) -> usize {
        let Some(inbound) = this.upgrade() else {
            return 0;
        };
        let handling = inbound.handling.load(Ordering::Acquire);
        Arc::strong_count(&inbound).saturating_sub(handling + ENDPOINT_AND_THIS)
    }
}

/// The request that is handled in this task, and where it came another way, one that is admitted
/// now. `None`: no more requests are taken.
pub(super) fn admitted(admission: &Admission) -> Option<Admitted> {
    ARRIVED
        .try_with(Cell::take)
        .unwrap_or_else(|_| admission.enter())
}

struct Handling<'a>(&'a AtomicUsize);

impl<'a> Handling<'a> {
    fn of(handling: &'a AtomicUsize) -> Self {
        handling.fetch_add(1, Ordering::AcqRel);
        Self(handling)
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl PushWorkHandler for Inbound {
    fn bind_endpoint(&self, endpoint: &Endpoint) {
        self.handler.bind_endpoint(endpoint);
    }

    async fn handle_payload(
        &self,
        payload: Bytes,
        request_id: Option<String>,
    ) -> Result<(), PipelineError> {
        // Admitted first: it is always in one of the two counts.
        let admitted = Cell::new(self.admission.enter());
        let _handling = Handling::of(&self.handling);
        let handled = self.handler.handle_payload(payload, request_id);
        ARRIVED.scope(admitted, handled).await
    }

    fn add_metrics(
        &self,
        endpoint: &Endpoint,
        metrics_labels: Option<&[(&str, &str)]>,
    ) -> anyhow::Result<()> {
        self.handler.add_metrics(endpoint, metrics_labels)
    }

    fn set_endpoint_health_check_notifier(&self, notifier: Arc<Notify>) -> anyhow::Result<()> {
        self.handler.set_endpoint_health_check_notifier(notifier)
    }
}
