//! The client of a request, for tests that call an engine by hand.

use std::sync::Arc;

use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::pipeline::context::Controller;

use crate::engine::{RequestContext, RequestMetadata};

/// The client of one request, who may leave.
#[derive(Clone, Debug)]
pub struct Client(Arc<Controller>);

impl Client {
    /// A client and the context of its request, which an engine gets.
    pub fn new(id: impl Into<String>, metadata: RequestMetadata) -> (Self, RequestContext) {
        let controller = Arc::new(Controller::new(id.into()));
        let context = RequestContext::new(controller.clone(), metadata);
        (Self(controller), context)
    }

    /// It wants no more output.
    pub fn stop(&self) {
        self.0.stop_generating();
    }

    /// It reads nothing that still comes.
    pub fn kill(&self) {
        self.0.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_stops_and_kills_its_own_request() {
        let (client, context) = Client::new("one", RequestMetadata::new());
        let (_, other) = Client::new("one", RequestMetadata::new());

        assert!(!context.is_stopped());
        client.stop();
        assert!(context.is_stopped() && !context.is_killed());
        client.kill();
        assert!(context.is_killed());
        assert!(!other.is_stopped());
    }
}
