//! A request that an engine of the reference serves: its context, and what is owed at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use dynamo_backend_common::{AsyncEngineContext, DynamoError, GenerateContext, LLMEngine};
use dynamo_engine::Error;
use dynamo_runtime::pipeline::context::Controller;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::ours;

/// Dropped before the engine has ended the answer, it stops the request and has the engine abort it.
pub(crate) struct InFlight {
    engine: Arc<dyn LLMEngine>,
    runtime: Handle,
    context: Arc<Controller>,
    first_token: watch::Receiver<bool>,
    has_ended: bool,
}

impl InFlight {
    /// With the context that the engine gets.
    pub(crate) fn begin(
        engine: Arc<dyn LLMEngine>,
        runtime: Handle,
        id: &str,
        metadata: BTreeMap<String, String>,
    ) -> (Self, GenerateContext) {
        let context = Arc::new(Controller::new(id.to_owned()));
        let (tell, first_token) = watch::channel(false);
        let given = GenerateContext::with_metadata(context.clone(), Some(tell), metadata);
        let in_flight = Self {
            engine,
            runtime,
            context,
            first_token,
            has_ended: false,
        };
        (in_flight, given)
    }

    /// Resolves when the engine tells, before there is a chunk, that it has the first token.
    pub(crate) async fn first_token_told(&mut self) {
        if self.first_token.wait_for(|told| *told).await.is_err() {
            // The engine let go of its context, and will not tell.
            std::future::pending::<()>().await;
        }
    }

    /// The engine has ended the answer by itself.
    pub(crate) fn ended(&mut self) {
        self.has_ended = true;
    }

    /// The engine has ended the answer with an error, which is handed on.
    pub(crate) fn failed(&mut self, error: DynamoError) -> Error {
        self.ended();
        ours(error)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        self.context.stop();
        let (engine, context) = (self.engine.clone(), self.context.clone());
        self.runtime
            .spawn(async move { engine.abort(context).await });
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use dynamo_backend_common::{EngineConfig, LLMEngineOutput, PreprocessedRequest};
    use dynamo_engine::ErrorKind;
    use futures::stream::BoxStream;
    use tokio::sync::mpsc;

    use super::*;

    /// Tells which requests it was asked to abort.
    struct Aborts(mpsc::UnboundedSender<String>);

    #[async_trait]
    impl LLMEngine for Aborts {
        async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
            unreachable!()
        }

        async fn generate(
            &self,
            _request: PreprocessedRequest,
            _context: GenerateContext,
        ) -> Result<BoxStream<'static, Result<LLMEngineOutput, DynamoError>>, DynamoError> {
            unreachable!()
        }

        async fn abort(&self, context: Arc<dyn AsyncEngineContext>) {
            assert!(context.is_stopped());
            self.0.send(context.id().to_owned()).unwrap();
        }

        async fn cleanup(&self) -> Result<(), DynamoError> {
            unreachable!()
        }
    }

    fn begin() -> (InFlight, GenerateContext, mpsc::UnboundedReceiver<String>) {
        let (tell, aborts) = mpsc::unbounded_channel();
        let metadata = BTreeMap::from([("x-header".to_owned(), "value".to_owned())]);
        let engine = Arc::new(Aborts(tell));
        let (in_flight, context) = InFlight::begin(engine, Handle::current(), "one", metadata);
        (in_flight, context, aborts)
    }

    #[tokio::test]
    async fn one_that_is_dropped_is_stopped_and_aborted() {
        let (in_flight, context, mut aborts) = begin();
        assert_eq!(context.id(), "one");
        assert_eq!(context.metadata()["x-header"], "value");
        assert!(!context.is_stopped());
        drop(in_flight);
        assert!(context.is_stopped());
        assert_eq!(aborts.recv().await.as_deref(), Some("one"));
    }

    #[tokio::test]
    async fn one_that_has_ended_is_not_aborted() {
        let (mut in_flight, _, mut aborts) = begin();
        in_flight.ended();
        drop(in_flight);
        assert_eq!(aborts.recv().await, None);
    }

    #[tokio::test]
    async fn neither_is_one_that_the_engine_failed() {
        let (mut in_flight, _, mut aborts) = begin();
        let error = in_flight.failed(DynamoError::msg("broken"));
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Unknown, "broken")
        );
        drop(in_flight);
        assert_eq!(aborts.recv().await, None);
    }

    #[tokio::test]
    async fn an_engine_may_tell_of_its_first_token_before_there_is_a_chunk() {
        let (mut in_flight, context, _aborts) = begin();
        context.notify_first_token();
        in_flight.first_token_told().await;
    }

    #[tokio::test]
    async fn an_engine_that_lets_go_of_its_context_has_told_nothing() {
        let (mut in_flight, context, _aborts) = begin();
        drop(context);
        let told = in_flight.first_token_told();
        assert!(futures::poll!(std::pin::pin!(told)).is_pending());
    }
}
