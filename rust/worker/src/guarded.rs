//! Keeps a panic of an engine where it happened: the hook fails, and the run goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::adapter_cards::AdapterCards;
use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, MetricsBindings, MetricsContext, RequestContext};
use crate::engine_config::EngineConfig;
use crate::panics::{caught, panicked};
use crate::publish::KvEventSource;

/// An engine whose hooks do not panic: one that would unwind the run would cost the engine its
/// cleanup.
pub(crate) struct Guarded {
    engine: Arc<dyn LLMEngine>,
    name: String,
}

impl Guarded {
    pub(crate) fn new(engine: Arc<dyn LLMEngine>) -> Self {
        Self {
            name: engine.name(),
            engine,
        }
    }

    async fn call<T>(
        &self,
        hook: &str,
        work: impl Future<Output = Result<T, DynamoError>>,
    ) -> Result<T, DynamoError> {
        caught(&self.name, hook, work).await
    }
}

#[async_trait]
impl LLMEngine for Guarded {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn configure(&self, config: &WorkerConfig) {
        let configured = catch_unwind(AssertUnwindSafe(|| self.engine.configure(config)));
        if let Err(panic) = configured {
            panicked(&self.name, "configure", &*panic);
        }
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        // In an async block, so that a panic before the first await is caught too.
        self.call("start", async { self.engine.start(worker_id).await })
            .await
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let work = async { self.engine.generate(request, context).await };
        self.call("generate", work).await
    }

    async fn abort(&self, context: RequestContext) {
        let work = async {
            self.engine.abort(context).await;
            Ok(())
        };
        // It was logged, and nobody waits for an abort.
        let _ = self.call("abort", work).await;
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.call("watch", async { self.engine.watch().await })
            .await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.call("drain", async { self.engine.drain().await })
            .await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        self.call("is_quiescent", async { self.engine.is_quiescent().await })
            .await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.call("cleanup", async { self.engine.cleanup().await })
            .await
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        self.call("setup_metrics", async {
            self.engine.setup_metrics(ctx).await
        })
        .await
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        self.call("kv_event_sources", async {
            self.engine.kv_event_sources().await
        })
        .await
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        self.call("health_check_payload", async {
            self.engine.health_check_payload().await
        })
        .await
    }

    async fn on_endpoint_ready(&self, endpoint: Endpoint) -> Result<(), DynamoError> {
        self.call("on_endpoint_ready", async {
            self.engine.on_endpoint_ready(endpoint).await
        })
        .await
    }

    async fn on_adapter_cards(&self, cards: AdapterCards) -> Result<(), DynamoError> {
        self.call("on_adapter_cards", async {
            self.engine.on_adapter_cards(cards).await
        })
        .await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        self.call("supported_controls", async {
            self.engine.supported_controls().await
        })
        .await
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), DynamoError> {
        self.call("validate_engine_control", async {
            self.engine.validate_engine_control(name, body).await
        })
        .await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.call("engine_control", async {
            self.engine.engine_control(name, body).await
        })
        .await
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        self.call("supported_updates", async {
            self.engine.supported_updates().await
        })
        .await
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.call("engine_update", async {
            self.engine.engine_update(name, body).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics;

    #[async_trait]
    impl LLMEngine for Panics {
        fn name(&self) -> String {
            "Panics".into()
        }
        async fn start(&self, _: u64) -> Result<EngineConfig, DynamoError> {
            panic!("no {}", "weights")
        }
        async fn generate(
            &self,
            _: PreprocessedRequest,
            _: RequestContext,
        ) -> Result<EngineStream, DynamoError> {
            panic!("no stream")
        }
        async fn cleanup(&self) -> Result<(), DynamoError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_hook_that_panics_fails_and_names_engine_hook_and_message() {
        let error = Guarded::new(Arc::new(Panics)).start(1).await.unwrap_err();
        assert_eq!(error.message(), "Panics.start panicked: no weights");
    }
}
