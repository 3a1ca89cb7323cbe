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
