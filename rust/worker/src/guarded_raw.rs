//! The requests of a raw engine: a panic stays with the one that it happened in.

use std::sync::Arc;

use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::engine::{RawEngine, RawStream, RequestContext};
use crate::error::invalid_argument;
use crate::panics::caught;

/// A raw engine that requests are given to.
pub(crate) struct GuardedRaw {
    engine: Arc<dyn RawEngine>,
    name: String,
}

impl GuardedRaw {
    pub(crate) fn new(engine: Arc<dyn RawEngine>) -> Self {
        Self {
            name: engine.name(),
            engine,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn generate(
        &self,
        request: Value,
        context: RequestContext,
    ) -> Result<RawStream, DynamoError> {
        self.check(&request)?;
        let work = async { self.engine.generate(request, context).await };
        caught(&self.name, "generate", work).await
    }

    pub(crate) async fn abort(&self, context: RequestContext) {
        let work = async {
            self.engine.abort(context).await;
            Ok(())
        };
        // It was logged, and nobody waits for an abort.
        let _ = caught(&self.name, "abort", work).await;
    }

    /// A request that came by mistake is not the engine's to puzzle over.
    fn check(&self, request: &Value) -> Result<(), DynamoError> {
        let what = match request.as_object() {
            None => "no JSON object",
            Some(fields) if is_tokenized(fields) => {
                "tokenized already, as for a worker with model_input 'Tokens'"
            }
            Some(_) => return Ok(()),
        };
        Err(invalid_argument(format!(
            "{} takes a request as its client sent it, and this one is {what}",
            self.name
        )))
    }
}

fn is_tokenized(fields: &serde_json::Map<String, Value>) -> bool {
    fields.contains_key("token_ids") && fields.contains_key("stop_conditions")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use dynamo_runtime::engine::AsyncEngineContextProvider;
    use dynamo_runtime::pipeline::SingleIn;
    use serde_json::json;

    use super::*;
    use crate::engine_config::EngineConfig;
    use crate::error::{BackendError, kind};

    struct Panics;

    #[async_trait]
    impl RawEngine for Panics {
        fn name(&self) -> String {
            "Panics".into()
        }
        async fn start(&self, _: u64) -> Result<EngineConfig, DynamoError> {
            Ok(EngineConfig::new("panics"))
        }
        async fn generate(&self, _: Value, _: RequestContext) -> Result<RawStream, DynamoError> {
            panic!("no picture")
        }
        async fn cleanup(&self) -> Result<(), DynamoError> {
            Ok(())
        }
    }

    async fn error_of(request: Value) -> DynamoError {
        let context = RequestContext::new(SingleIn::new(()).context(), Default::default());
        let engine = GuardedRaw::new(Arc::new(Panics));
        match engine.generate(request, context).await {
            Ok(_) => panic!("a stream came"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_panic_is_the_requests_error() {
        let error = error_of(json!({"prompt": "a cat"})).await;
        assert_eq!(error.message(), "Panics.generate panicked: no picture");
    }

    #[tokio::test]
    async fn what_is_no_clients_request_is_refused_before_the_engine_has_it() {
        for (request, said) in [
            (json!([1, 2]), "no JSON object"),
            (
                json!({"token_ids": [1], "stop_conditions": {}}),
                "tokenized already",
            ),
        ] {
            let error = error_of(request).await;
            assert_eq!(kind(&error), BackendError::InvalidArgument);
            assert!(error.message().contains(said), "{error}");
        }
        // Pooling endpoints take tokens of a client's own.
        let error = error_of(json!({"input": [1, 2], "token_ids": [1]})).await;
        assert!(error.message().contains("panicked"), "{error}");
    }
}
