//! The answer to one request, from its prologue to its last byte.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::metrics::prometheus_names::work_handler::error_types;
use dynamo_runtime::pipeline::network::{ControlMessage, RequestPlanePayloadCodec};
use futures::StreamExt;
use tokio::task::coop;

use super::connection::{Connection, Heard};
use super::counted::{Counted, LOG};
use super::frame;
use crate::admission::Unanswered;
use crate::serve::kind::Item;
use crate::serve::terminal::RequestStream;

/// How long a frontend that has all of an answer may keep the connection.
const CLOSE: Duration = Duration::from_secs(10);

/// One task's: it writes, and hears what the frontend says meanwhile.
pub(super) struct Answer<'a> {
    connection: Connection,
    context: Arc<dyn AsyncEngineContext>,
    codec: RequestPlanePayloadCodec,
    counted: Counted<'a>,
    /// Until the prologue is written.
    unanswered: Option<Unanswered>,
    /// The frontend says nothing that could still be understood.
    deaf: bool,
    cancelled: bool,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        connection: Connection,
        context: Arc<dyn AsyncEngineContext>,
        codec: RequestPlanePayloadCodec,
        counted: Counted<'a>,
        unanswered: Unanswered,
    ) -> Self {
        Self {
            connection,
            context,
            codec,
            counted,
            unanswered: Some(unanswered),
            deaf: false,
            cancelled: false,
        }
    }

    /// Waits for `work`; a frontend that stops the request meanwhile is heard.
    pub(super) async fn hearing<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            self.hear(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Writes that there is no answer, and why. As good as written is what nobody waits for.
    /// `error_type` is the runtime's name for where it failed.
    pub(super) async fn refuse(
        mut self,
        text: &str,
        error: &DynamoError,
        error_type: &str,
    ) -> anyhow::Result<()> {
        self.counted.failed(error_type);
        frame::prologue(self.connection.out(), Some((text, error)))?;
        frame::sentinel(self.connection.out())?;
        if poll_fn(|cx| self.poll_written(cx)).await? {
            self.until_closed().await;
        }
        Ok(())
    }

    /// Writes all of `stream`, whose request is in flight until the frontend has closed the connection
    /// behind the last byte.
    pub(super) async fn send<I: Item>(
        mut self,
        mut stream: RequestStream<I>,
    ) -> anyhow::Result<()> {
        frame::prologue(self.connection.out(), None)?;
        self.counted.answered();
        let over = stream.over();
        // In this order: a request that is cut has its error written, where there is room.
        let are_written = tokio::select! {
            biased;
            all = poll_fn(|cx| self.poll_items(&mut stream, cx)) => all,
            () = over => false,
        };
        if !are_written {
            return Ok(());
        }
        let end = async {
            if self.finish().await {
                self.until_closed().await;
            }
        };
        tokio::select! {
            biased;
            () = end => {}
            () = stream.over() => {}
        }
        Ok(())
    }

    /// Writes items until there are no more. False: nobody takes them any more.
    fn poll_items<I: Item>(
        &mut self,
        stream: &mut RequestStream<I>,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        self.hear(cx);
        loop {
            if self.connection.is_full() {
                ready!(self.poll_flush(cx));
            }
            // A stream that is always ready ends its turn here; what it made is written before.
            let polled = pin!(coop::cooperative(stream.next())).poll(cx);
            let item = match polled {
                Poll::Ready(Some(item)) => item,
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Pending => {
                    ready!(self.poll_flush(cx));
                    return Poll::Pending;
                }
            };
            if self.context.is_stopped() {
                self.not_taken();
                return Poll::Ready(false);
            }
            match frame::item(self.connection.out(), self.codec, item) {
                Ok(bytes) => self.counted.response(bytes),
                Err(error) => {
                    tracing::error!(
                        request_id = self.context.id(),
                        %error,
                        "a chunk could not be encoded; the request is cut"
                    );
                    self.counted.failed(error_types::SERIALIZATION);
                    return Poll::Ready(false);
                }
            }
        }
    }

    /// Resolves when all that was appended is written, or nobody is there to take it: then the request
    /// is stopped, and the engine told.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.connection.poll_flush(cx)) {
            // It may have said why it left.
            self.hear(cx);
            self.lost(&error.to_string());
        }
        self.unanswered = None;
        Poll::Ready(())
    }

    /// An item came that nobody takes.
    fn not_taken(&self) {
        let id = self.context.id();
        if self.cancelled {
            tracing::warn!(target: LOG, "Failed to publish response for stream {id}");
        } else {
            tracing::error!(target: LOG, "Failed to publish response for stream {id}");
        }
        self.counted.failed(error_types::PUBLISH_RESPONSE);
    }

    /// Writes that the answer is complete. False: nobody waits for that.
    async fn finish(&mut self) -> bool {
        let written = async {
            let bytes = frame::complete(self.connection.out(), self.codec)?;
            self.counted.response(bytes);
            frame::sentinel(self.connection.out())?;
            poll_fn(|cx| self.poll_written(cx)).await
        };
        let is_wanted = match written.await {
            Ok(is_wanted) => is_wanted,
            Err(error) => {
                tracing::error!(
                    request_id = self.context.id(),
                    %error,
                    "the end of an answer could not be written"
                );
                self.counted.failed(error_types::PUBLISH_FINAL);
                return false;
            }
        };
        if !is_wanted && self.context.is_killed() {
            self.counted.failed(error_types::PUBLISH_FINAL);
        }
        is_wanted
    }

    /// Resolves when the kernel has all that was appended. False: the frontend stopped the request,
    /// and what was not written is discarded.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Result<bool>> {
        self.hear(cx);
        if self.context.is_stopped() {
            self.connection.discard();
            return Poll::Ready(Ok(false));
        }
        ready!(self.connection.poll_flush(cx))?;
        self.unanswered = None;
        Poll::Ready(Ok(true))
    }

    /// Resolves when the frontend has closed the connection, which it does behind a sentinel.
    async fn until_closed(&mut self) {
        self.counted.end();
        let connection = &mut self.connection;
        let closed = poll_fn(|cx| connection.poll_closed(cx));
        if tokio::time::timeout(CLOSE, closed).await.is_err() {
            tracing::debug!(
                request_id = self.context.id(),
                "a frontend kept the connection of an answer for {CLOSE:?} behind its end"
            );
        }
    }

    /// Takes in what the frontend said; the task is woken when it says more.
    fn hear(&mut self, cx: &mut Context<'_>) {
        while !self.deaf {
            match self.connection.poll_hear(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(Heard::Control(ControlMessage::Stop))) => {
                    self.cancelled_by("stop");
                    self.context.stop();
                }
                Poll::Ready(Ok(Heard::Control(ControlMessage::Kill))) => {
                    self.cancelled_by("kill");
                    self.context.kill();
                }
                Poll::Ready(Ok(Heard::Control(ControlMessage::Sentinel))) => {
                    self.lost("it ended a stream that is not its own");
                    self.cancelled();
                }
                Poll::Ready(Ok(Heard::Closed)) => self.lost("it closed the connection"),
                Poll::Ready(Err(error)) => {
                    self.lost(&format!("{error:#}"));
                    self.cancelled();
                }
            }
        }
    }

    fn cancelled_by(&mut self, signal: &'static str) {
        tracing::info!(
            target: "request_span",
            {
                request_id = self.context.id(),
                { "cancellation.signal" } = signal,
                { "cancellation.source" } = "upstream"
            },
            "request cancellation received"
        );
        self.connection.discard();
        self.cancelled();
    }

    /// Nobody is there any more: expected of a frontend that stopped the request.
    fn lost(&mut self, why: &str) {
        if !self.context.is_stopped() {
            tracing::warn!(
                request_id = self.context.id(),
                "a frontend left before the end of its answer: {why}"
            );
        }
        self.deaf = true;
        self.connection.discard();
        self.context.kill();
    }

    fn cancelled(&mut self) {
        if !std::mem::replace(&mut self.cancelled, true) {
            self.counted.cancelled();
        }
    }
}
