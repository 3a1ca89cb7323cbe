//! An answer that leaves through the runtime's own ingress, as over QUIC and TLS: its writer has a
//! queue, and a frontend that reads slowly leaves it full.

use std::pin::Pin;
use std::task::{Context, Poll};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;

use super::kind::Item;
use super::terminal::RequestStream;

/// Its request is in flight until the runtime has written the answer.
pub(super) struct Relayed<I: Item = LLMEngineOutput>(Option<RequestStream<I>>);

impl<I: Item> Relayed<I> {
    pub(super) fn new(stream: RequestStream<I>) -> Self {
        Self(Some(stream))
    }
}

impl<I: Item> Stream for Relayed<I> {
    type Item = Annotated<I>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.0 else {
            return Poll::Ready(None);
        };
        stream.poll_next_unpin(cx).map(|item| {
            item.map(|item| match item {
                Ok(chunk) => Annotated::from_data(chunk),
                Err(error) => Annotated::from_err(error),
            })
        })
    }
}

impl<I: Item> Drop for Relayed<I> {
    fn drop(&mut self) {
        let ended = self.0.take().filter(RequestStream::has_ended);
        let (Some(stream), Ok(runtime)) = (ended, Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            tokio::select! {
                biased;
                () = stream.over() => {}
                () = stream.context().written() => {}
            }
        });
    }
}
