//! The hooks of a raw engine, as a run drives those of any engine.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::config::WorkerConfig;
use crate::engine::{
    EngineStream, LLMEngine, MetricsBindings, MetricsContext, RawEngine, RequestContext,
};
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;

/// What a raw engine does not have is as of an engine that leaves it out. Its requests take another
/// way, by [`GuardedRaw`](crate::guarded_raw::GuardedRaw).
pub(crate) struct RawHooks(pub(crate) Arc<dyn RawEngine>);

#[async_trait]
impl LLMEngine for RawHooks {
    fn name(&self) -> String {
        self.0.name()
    }

    fn configure(&self, config: &WorkerConfig) {
        self.0.configure(config);
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        self.0.start(worker_id).await
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(invalid_argument(format!("{} takes no tokens", self.name())))
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.0.watch().await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.0.drain().await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.0.cleanup().await
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        self.0.setup_metrics(ctx).await
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        self.0.health_check_payload().await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        self.0.supported_controls().await
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), DynamoError> {
        self.0.validate_engine_control(name, body).await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.0.engine_control(name, body).await
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        self.0.supported_updates().await
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.0.engine_update(name, body).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::RawStream;

    /// Answers what it is asked by a hook's name.
    struct Named;

    #[async_trait]
    impl RawEngine for Named {
        async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
            Ok(EngineConfig::new("named"))
        }

        async fn generate(
            &self,
            _request: Value,
            _context: RequestContext,
        ) -> Result<RawStream, DynamoError> {
            Err(invalid_argument("generate"))
        }

        async fn watch(&self) -> Result<(), DynamoError> {
            Err(invalid_argument("watch"))
        }

        async fn drain(&self) -> Result<(), DynamoError> {
            Err(invalid_argument("drain"))
        }

        async fn cleanup(&self) -> Result<(), DynamoError> {
            Err(invalid_argument("cleanup"))
        }

        async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
            Ok(Some(json!("probe")))
        }

        async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
            Ok(vec!["sleep".to_owned()])
        }

        async fn validate_engine_control(
            &self,
            name: &str,
            body: &Value,
        ) -> Result<(), DynamoError> {
            Err(invalid_argument(format!("validate {name} {body}")))
        }

        async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
            Ok(json!([name, body]))
        }

        async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
            Ok(vec!["load".to_owned()])
        }

        async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
            Ok(json!({ name: body }))
        }
    }

    #[tokio::test]
    async fn each_hook_is_the_engines() {
        let hooks = RawHooks(Arc::new(Named));
        let said = |error: Result<(), DynamoError>| error.unwrap_err().message().to_owned();
        assert_eq!(hooks.start(1).await.unwrap().model, "named");
        assert_eq!(said(hooks.watch().await), "watch");
        assert_eq!(said(hooks.drain().await), "drain");
        assert_eq!(said(hooks.cleanup().await), "cleanup");
        let probe = hooks.health_check_payload().await.unwrap();
        assert_eq!(probe, Some(json!("probe")));
        assert_eq!(hooks.supported_controls().await.unwrap(), ["sleep"]);
        let checked = hooks.validate_engine_control("sleep", &json!(1)).await;
        assert_eq!(said(checked), "validate sleep 1");
        let controlled = hooks.engine_control("sleep", json!(1)).await;
        assert_eq!(controlled.unwrap(), json!(["sleep", 1]));
        assert_eq!(hooks.supported_updates().await.unwrap(), ["load"]);
        let updated = hooks.engine_update("load", json!(1)).await;
        assert_eq!(updated.unwrap(), json!({"load": 1}));
    }
}
