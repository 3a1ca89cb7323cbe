//! Where an engine puts what it makes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::slot::Slot;

/// Takes the chunks of one answer. Each is on its way when the call returns: an engine that is faster
/// than its client waits here.
pub struct Answer {
    slot: Arc<Slot>,
    request: Request,
}

impl Answer {
    pub(crate) fn to(slot: Arc<Slot>, request: Request) -> Self {
        Self { slot, request }
    }

    /// Gives one token.
    ///
    /// # Errors
    ///
    /// `Cancelled` when the answer is not wanted any more; to be passed on with `?`.
    pub async fn token(&mut self, token_id: u32) -> Result<(), Error> {
        self.tokens(&[token_id]).await
    }

    /// Gives several tokens.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    pub async fn tokens(&mut self, token_ids: &[u32]) -> Result<(), Error> {
        self.room().await?;
        self.slot.put_tokens(token_ids);
        self.taken().await;
        Ok(())
    }

    /// Gives a chunk.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    pub async fn chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.room().await?;
        self.slot.put(chunk);
        self.taken().await;
        Ok(())
    }

    /// Waits until a chunk is on its way that an earlier call, which was dropped, has put.
    async fn room(&mut self) -> Result<(), Error> {
        self.taken().await;
        if self.request.is_stopped() {
            return Err(Error::new(ErrorKind::Cancelled, "the request was stopped"));
        }
        Ok(())
    }

    async fn taken(&mut self) {
        poll_fn(|cx| match self.slot.has_room(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await
    }
}
