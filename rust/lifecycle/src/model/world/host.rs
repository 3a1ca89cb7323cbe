//! The traits of a run, for a world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Inner, World};
use crate::host::{Engine, Host, Observer, Worker};
use crate::stage::Stage;
use crate::state::State;

impl World {
    /// Waits until the sequence ends this hook.
    pub(super) async fn hook(&self, name: &str) -> Result<(), String> {
        self.see(name);
        let (ends, ended) = oneshot::channel();
        self.inner.lock().unwrap().hook = Some(ends);
        match ended.await {
            Ok(true) => Ok(()),
            _ => Err(format!("{name} failed")),
        }
    }

    /// What is known after counting the requests that have ended by now.
    pub(super) fn counted<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap();
        let before = inner.requests.len();
        inner.requests.retain(|ends| *ends > now);
        inner.finished += (before - inner.requests.len()) as u64;
        look(&mut inner)
    }

    /// Resolves when no request is in flight.
    pub(super) async fn until_idle(&self) {
        while let Some(ends) = self.counted(|inner| inner.requests.iter().copied().min()) {
            sleep_until(ends).await;
        }
    }
}

#[async_trait]
impl Engine for World {
    type Error = String;
    type Started = ();

    async fn start(&self, _worker_id: u64) -> Result<(), String> {
        self.hook("start").await
    }

    async fn watch(&self) -> Result<(), String> {
        self.engine_failed.cancelled().await;
        Err("watch failed".to_owned())
    }

    async fn left_alone(&self) {
        self.transitions.engine_left_alone().await;
    }

    async fn drain(&self) -> Result<(), String> {
        self.hook("drain").await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, String> {
        Ok(self.inner.lock().unwrap().quiescent)
    }

    async fn cleanup(&self) -> Result<(), String> {
        self.hook("cleanup").await
    }
}

#[async_trait]
impl Host for World {
    type Connected = ();
    type Worker = Arc<World>;

    async fn connect(&self) -> Result<(), String> {
        self.hook("connect").await
    }

    fn worker_id(&self, _connected: &()) -> u64 {
        7
    }

    fn gave_up(&self, message: String) -> String {
        message
    }

    fn panicked(&self, message: String) -> String {
        message
    }

    fn worker(self: &Arc<Self>, _connected: (), _started: (), _took: Duration) -> Arc<World> {
        self.clone()
    }
}

#[async_trait]
impl Worker for Arc<World> {
    type Error = String;
    type Published = ();

    async fn publish(&self, shutdown: &CancellationToken) -> Result<Option<()>, String> {
        tokio::select! {
            biased;
            () = shutdown.cancelled(), if self.fetches => Ok(None),
            published = self.hook("publish") => published.map(Some),
        }
    }

    async fn withdraw(&self) {
        let _ = self.hook("withdraw").await;
    }

    async fn unregister(&self, within: Duration) -> Result<(), String> {
        // Serving that was dropped midway may have been heard.
        if !self.inner.lock().unwrap().served {
            return self.hook("unregister").await;
        }
        self.transitions.unregister(&**self, within).await
    }

    fn absent_for(&self) -> Duration {
        let presence = self.presence.lock().unwrap();
        presence.absent_for().unwrap_or_default()
    }

    async fn release(&self) {
        self.see("release");
    }

    async fn serve(&self, _published: &(), _stop: &CancellationToken) -> Result<(), String> {
        self.hook("serve").await?;
        self.presence.lock().unwrap().serving();
        let mut inner = self.inner.lock().unwrap();
        inner.served = true;
        inner.accepts = true;
        Ok(())
    }

    async fn ended(&self, _published: &()) -> Result<(), String> {
        loop {
            match *self.serving_over.lock().unwrap() {
                Some(true) => return Err("discovery was lost".to_owned()),
                Some(false) => return Ok(()),
                None => {}
            }
            self.serving_ended.notified().await;
        }
    }

    fn in_flight(&self) -> usize {
        self.counted(|inner| inner.requests.len())
    }

    fn finished(&self) -> u64 {
        self.counted(|inner| inner.finished)
    }

    async fn idle(&self) {
        self.until_idle().await;
    }

    fn refuse(&self) {
        self.see("refuse");
        self.inner.lock().unwrap().accepts = false;
    }

    async fn cut(&self) -> usize {
        let cut = self.counted(|inner| std::mem::take(&mut inner.requests).len());
        let _ = self.hook("cut").await;
        cut
    }
}

impl Observer for World {
    fn connect_failed(&self, _attempt: u32, _next_in: Duration, _error: &str) {}

    fn state_changed(&self, state: State) {
        if state == State::Stopped {
            self.see("stopped");
        }
    }

    fn shutdown_began(&self, _deadline: Duration) -> Duration {
        self.presence.lock().unwrap().close();
        self.see("shutdown began");
        self.began.cancel();
        Duration::ZERO
    }

    fn stage_began(&self, _stage: Stage) {}

    fn stage_ended(&self, _stage: Stage, _took: Duration) {}

    fn stage_failed(&self, _stage: Stage, _message: &str) {}

    fn started(&self, _took: Duration) {}

    fn serving(&self) {
        self.see("serving");
    }
}
