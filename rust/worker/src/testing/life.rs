//! One engine from its start to its cleanup, as the checks drive it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::MetricsRegistry;
use dynamo_runtime::error::DynamoError;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::asking::{Answer, Leaving, ask};
use super::finding::{Found, problem, skipped};
use super::kv_record::{KvRecord, record_kv_events};
use super::panics::Panics;
use crate::config::WorkerConfig;
use crate::engine::{LLMEngine, MetricsContext};
use crate::engine_config::EngineConfig;
use crate::error::kind;
use crate::metrics::EngineTexts;
use crate::publish::{SnapshotPublisher, check_ranks};

const SETTLE: Duration = Duration::from_millis(20);

/// What is checked.
pub(super) struct Engines {
    pub(super) engine: Arc<dyn LLMEngine>,
    /// One more, which nobody has started.
    pub(super) another: Option<Arc<dyn LLMEngine>>,
}

/// An engine and what the checks know of it.
pub(super) struct Life {
    another: Option<Arc<dyn LLMEngine>>,
    pub(super) engine: Arc<dyn LLMEngine>,
    /// An ordinary one to this engine.
    pub(super) request: PreprocessedRequest,
    /// How many are made in search of leaks.
    pub(super) requests: usize,
    timeout: Duration,
    /// The answer that nobody stopped, once it is known to be a good one.
    pub(super) whole: Option<Whole>,
    pub(super) kv: Vec<KvRecord>,
    /// The engine's `watch`, once it has started.
    pub(super) watching: Option<JoinHandle<Result<(), DynamoError>>>,
    pub(super) panics: Panics,
    pub(super) tasks_before: usize,
}

/// What others are compared with.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) chunks: usize,
    pub(super) tokens: usize,
    pub(super) reason: FinishReason,
}

impl Life {
    pub(super) fn new(
        Engines { engine, another }: Engines,
        request: PreprocessedRequest,
        requests: usize,
        timeout: Duration,
    ) -> Self {
        Self {
            panics: Panics::of(engine.name()),
            another,
            engine,
            request,
            requests,
            timeout,
            whole: None,
            kv: Vec::new(),
            watching: None,
            tasks_before: tasks(),
        }
    }

    /// One more, which nobody has started.
    pub(super) fn another(&self) -> Found<Arc<dyn LLMEngine>> {
        match &self.another {
            Some(another) => Ok(another.clone()),
            None => skipped(
                "this check needs another engine: pass what makes one, and a new one each time",
            ),
        }
    }

    /// Starts the engine, and calls the hooks that a worker calls before it serves.
    pub(super) async fn start(&mut self) -> Found {
        let engine = self.engine.clone();
        let configured = self
            .panics
            .caught("configure", || engine.configure(&WorkerConfig::default()));
        self.hook("configure", async { configured }).await?;
        let config = self.hook("start", async { engine.start(1).await }).await?;
        self.hook("setup_metrics", set_up_metrics(&*engine, &config))
            .await?;
        self.kv = self
            .hook("kv_event_sources", record_kv_events(&*engine, &config))
            .await?;
        let (watched, panics) = (engine.clone(), self.panics.clone());
        self.watching = Some(tokio::spawn(async move {
            let watch = async { watched.watch().await };
            panics.awaited("watch", watch).await
        }));
        Ok(())
    }

    /// What a hook answers; a problem where it fails, panics, or takes too long.
    pub(super) async fn hook<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, DynamoError>>,
    ) -> Found<T> {
        let answered = self.within(name, self.panics.awaited(name, work)).await?;
        answered.or_else(|error| problem(format!("{name} failed: {}", told(&error))))
    }

    /// Serves a request to its end.
    pub(super) async fn ask(
        &self,
        request: PreprocessedRequest,
        leaving: Leaving,
        what: &str,
    ) -> Found<Answer> {
        let asked = ask(self.engine.clone(), request, leaving, self.panics.clone());
        self.within(what, asked).await
    }

    /// What it comes to; a problem where that takes too long.
    pub(super) async fn within<T>(&self, what: &str, work: impl Future<Output = T>) -> Found<T> {
        match timeout(self.timeout, work).await {
            Ok(result) => Ok(result),
            Err(_) => problem(format!("{what} did not end within {:?}", self.timeout)),
        }
    }

    pub(super) fn good_answer(&self) -> Found<Whole> {
        match &self.whole {
            Some(whole) => Ok(whole.clone()),
            None => skipped("an ordinary request is not answered well yet; mend that first"),
        }
    }

    /// Whether it becomes so in time.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) -> bool {
        let becomes = async {
            while !is_so() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(self.timeout, becomes).await.is_ok()
    }
}

/// An error with its kind.
pub(super) fn told(error: &DynamoError) -> String {
    format!("{:?}: {}", kind(error), error.message())
}

/// Tasks of the runtime that have not ended.
pub(super) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The same, when those that are about to end have ended.
pub(super) async fn settled_tasks() -> usize {
    let mut count = tasks();
    loop {
        sleep(SETTLE).await;
        match tasks() {
            fewer if fewer < count => count = fewer,
            _ => return count,
        }
    }
}

async fn set_up_metrics(engine: &dyn LLMEngine, config: &EngineConfig) -> Result<(), DynamoError> {
    let metrics = MetricsRegistry::new();
    let bindings = engine.setup_metrics(MetricsContext {
        model: config.model.clone(),
        component: WorkerConfig::default().component,
        model_load_time: Duration::ZERO,
        texts: EngineTexts::attach(&metrics, &[]),
        metrics,
        labels: Vec::new(),
    });
    let bindings = bindings.await?;
    check_ranks(&bindings.dp_ranks, config)?;
    match bindings.on_publisher_ready {
        Some(on_ready) if !bindings.dp_ranks.is_empty() => {
            on_ready(SnapshotPublisher::unread()).await
        }
        _ => Ok(()),
    }
}
