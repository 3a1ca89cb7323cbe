//! The context of one request: its identity, and whether it is still wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dynamo_llm::first_token::FirstTokenNotifier;
use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::pipeline::context::Controller;

use super::first_token::FirstToken;
use crate::trace::{EngineSpan, RequestTrace, TraceHeaders};

/// Free-form strings that travel with a request.
pub type RequestMetadata = BTreeMap<String, String>;

/// Handed to [`LLMEngine::generate`](crate::LLMEngine::generate) and
/// [`abort`](crate::LLMEngine::abort). Cheap to clone: all clones speak of one request.
///
/// A *stopped* request wants no more output and its stream ends with `cancelled`; a *killed* one
/// has nobody left to read even that.
#[derive(Clone, Debug)]
pub struct RequestContext {
    sent: Arc<Sent>,
    first_token: FirstToken,
    /// As on a decode worker: the KV transfer of a prefill peer must find its receiver. For how
    /// long after the request was stopped.
    kept_until_first_token: Option<Duration>,
}

/// What came with the request.
#[derive(Debug)]
struct Sent {
    /// Held here alone, so that its other owners can be counted.
    inner: Arc<dyn AsyncEngineContext>,
    metadata: RequestMetadata,
    trace: Option<RequestTrace>,
}

impl RequestContext {
    /// Wraps the runtime's context of a request.
    pub fn new(inner: Arc<dyn AsyncEngineContext>, metadata: RequestMetadata) -> Self {
        Self {
            sent: Arc::new(Sent {
                inner,
                metadata,
                trace: None,
            }),
            first_token: FirstToken::default(),
            kept_until_first_token: None,
        }
    }

    /// Of a request that is part of a trace. Only before it is cloned.
    pub(crate) fn with_trace(mut self, trace: Option<RequestTrace>) -> Self {
        if let Some(sent) = Arc::get_mut(&mut self.sent) {
            sent.trace = trace;
        }
        self
    }

    /// Has the router told of the first token. Only before it is cloned.
    pub(crate) fn telling_the_router(mut self, router: Option<FirstTokenNotifier>) -> Self {
        self.first_token.tell(router);
        self
    }

    /// Has the engine keep the request until its first token, also one that is stopped before, for
    /// `limit` from the stop on.
    pub(crate) fn keep_until_first_token(mut self, limit: Duration) -> Self {
        self.kept_until_first_token = Some(limit);
        self
    }

    /// The request's id, as the frontend gave it.
    pub fn id(&self) -> &str {
        self.sent.inner.id()
    }

    /// True once nobody wants more output.
    pub fn is_stopped(&self) -> bool {
        self.sent.inner.is_stopped()
    }

    /// True once nobody reads what still comes.
    pub fn is_killed(&self) -> bool {
        self.sent.inner.is_killed()
    }

    /// Resolves when the request is stopped or killed.
    pub async fn stopped(&self) {
        self.sent.inner.stopped().await
    }

    /// Resolves when the request is killed.
    pub async fn killed(&self) {
        self.sent.inner.killed().await
    }

    /// Strings that the caller sent along.
    pub fn metadata(&self) -> &RequestMetadata {
        &self.sent.metadata
    }

    /// Headers by which another service continues the request's trace, below the request's own
    /// span where that is exported. `None` where there is no trace: the request is in none, or
    /// tracing is off in this process.
    pub fn trace_headers(&self) -> Option<&TraceHeaders> {
        self.trace().map(RequestTrace::headers)
    }

    /// The trace that the request is in; `None` where there is no trace.
    pub fn trace(&self) -> Option<&RequestTrace> {
        self.sent.trace.as_ref()
    }

    /// The request's own span, to which the engine may add; of a request that is not traced, one
    /// that does nothing.
    pub fn current_span(&self) -> EngineSpan {
        self.trace()
            .map(|trace| trace.span().clone())
            .unwrap_or_default()
    }

    /// Begins a span below the request's own.
    #[must_use]
    pub fn start_span(&self, name: impl Into<String>) -> EngineSpan {
        self.current_span().start_span(name)
    }

    /// A context of another id, and with another's stop: what is done in the request's place, in its
    /// trace and with its metadata. Only [`stop_generating`](Self::stop_generating) stops it.
    #[must_use]
    pub fn detached(&self, id: impl Into<String>) -> Self {
        let inner = Arc::new(Controller::new(id.into()));
        Self::new(inner, self.metadata().clone()).with_trace(self.sent.trace.clone())
    }

    /// Stops the request, as its client may. It is meant for a [`detached`](Self::detached) context:
    /// the answer of one that a client waits for would break off, which a frontend takes for a lost
    /// worker. End its stream instead.
    pub fn stop_generating(&self) {
        self.sent.inner.stop_generating();
    }

    /// Tells that the first token exists before its chunk is yielded: from here on a decode
    /// worker may abort the request, and a router counts its prompt as computed.
    pub fn notify_first_token(&self) {
        self.first_token.notify();
    }

    /// True once the engine is to let go of a request that is stopped: at once, and on a decode
    /// worker not before its first token.
    pub fn may_abort(&self) -> bool {
        self.is_stopped() && !self.is_kept()
    }

    /// Resolves when [`may_abort`](Self::may_abort) is true.
    pub async fn abortable(&self) {
        self.stopped().await;
        if self.is_kept() {
            self.first_token().await;
        }
    }

    /// Whether the engine must go on, whoever leaves.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept_until_first_token.is_some() && self.first_token.is_waited_for()
    }

    pub(crate) async fn first_token(&self) {
        self.first_token.come().await
    }

    /// Resolves when the engine is to let go of the request, which turns
    /// [`may_abort`](Self::may_abort) true. Answers whether it was kept in vain: its first token
    /// did not come in time.
    pub(crate) async fn unwanted(&self) -> bool {
        self.stopped().await;
        let Some(limit) = self.kept_until_first_token else {
            return false;
        };
        let in_vain = tokio::time::timeout(limit, self.first_token())
            .await
            .is_err();
        if in_vain {
            tracing::warn!(
                request_id = self.id(),
                "a stopped decode had no first token within {limit:?}; it is aborted"
            );
            self.first_token.give_up();
        }
        in_vain
    }

    /// Resolves when the runtime has written the answer, or never will.
    ///
    /// Its reader and its writer own the request's context until they have ended. What waits for
    /// the frontend to close the connection after that owns it too.
    pub(crate) async fn written(&self) {
        const THIS_AND_WAITING: usize = 2;
        let mut pause = Duration::from_millis(1);
        while Arc::strong_count(&self.sent.inner) > THIS_AND_WAITING {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Whether both speak of one request. Ids do not tell: a client may choose its own.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.sent, &other.sent)
    }

    /// A number that is the same for all clones, and for no other request that lives.
    pub fn identity(&self) -> u64 {
        Arc::as_ptr(&self.sent) as *const () as u64
    }
}
