//! Messages to a thread that waits for a file descriptor, as an event loop does.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// What wakes the thread that reads a mailbox.
pub trait Bell: Send + Sync {
    /// Whether the thread is one of this process.
    fn is_ours(&self) -> bool;
    /// Wakes the thread, or has it not wait the next time.
    fn ring(&self);
    /// Takes back every ring so far.
    fn silence(&self);
}

/// The end where messages are read, by one thread. With it the mailbox is gone.
pub struct Mailbox<M, B: Bell> {
    shared: Arc<Shared<M, B>>,
    /// What an earlier turn left, older than all that is shared.
    left: Mutex<VecDeque<M>>,
    gone: CancellationToken,
}

/// Posts messages, from any thread. Once the mailbox is gone a message is dropped; so it is in a forked
/// child.
pub struct Sender<M, B: Bell> {
    shared: Weak<Shared<M, B>>,
    gone: CancellationToken,
}

struct Shared<M, B> {
    messages: Mutex<VecDeque<M>>,
    /// Whether the thread was woken for what is in `messages`: one wake-up serves many messages.
    woken: AtomicBool,
    bell: B,
}

impl<M, B: Bell> Mailbox<M, B> {
    /// An empty one, whose reader `bell` wakes.
    pub fn new(bell: B) -> Self {
        Self {
            shared: Arc::new(Shared {
                messages: Mutex::default(),
                woken: AtomicBool::new(false),
                bell,
            }),
            left: Mutex::default(),
            gone: CancellationToken::new(),
        }
    }

    /// An end that posts to it.
    pub fn sender(&self) -> Sender<M, B> {
        Sender {
            shared: Arc::downgrade(&self.shared),
            gone: self.gone.clone(),
        }
    }

    /// What wakes its reader.
    pub fn bell(&self) -> &B {
        &self.shared.bell
    }

    /// Takes back the rings so far; to be called before a turn.
    pub fn silence(&self) {
        self.shared.bell.silence();
    }

    /// Hands over what waits, in order, for `limit` at most; the bell rings again for the rest. `read` may
    /// begin a turn of its own.
    pub fn turn(&self, limit: Duration, mut read: impl FnMut(M)) {
        let mut messages = std::mem::take(&mut *self.left.lock());
        let goes_on = !messages.is_empty();
        if !goes_on {
            self.shared.woken.store(false, Ordering::Release);
            std::mem::swap(&mut messages, &mut *self.shared.messages.lock());
        }
        let end = Instant::now() + limit;
        while let Some(message) = messages.pop_front() {
            read(message);
            if Instant::now() >= end {
                break;
            }
        }
        // What was posted while something was left has woken nobody for this turn.
        if !messages.is_empty() || (goes_on && self.shared.woken.load(Ordering::Acquire)) {
            self.shared.bell.ring();
        }
        // A message may have run a turn of its own, and left what is newer.
        let mut left = self.left.lock();
        messages.append(&mut left);
        *left = messages;
    }
}

impl<M, B: Bell> Drop for Mailbox<M, B> {
    fn drop(&mut self) {
        if self.shared.bell.is_ours() {
            self.gone.cancel();
        }
    }
}

impl<M, B: Bell> Sender<M, B> {
    /// Whether both post to one mailbox.
    pub fn is(&self, other: &Self) -> bool {
        self.shared.ptr_eq(&other.shared)
    }

    /// Resolves when the mailbox is gone: what was posted may never be read.
    pub async fn gone(&self) {
        self.gone.cancelled().await
    }

    /// Posts a message.
    pub fn post(&self, message: M) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        if !shared.bell.is_ours() {
            return;
        }
        shared.messages.lock().push_back(message);
        if !shared.woken.swap(true, Ordering::AcqRel) {
            shared.bell.ring();
        }
    }
}

impl<M, B: Bell> Clone for Sender<M, B> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            gone: self.gone.clone(),
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests;
