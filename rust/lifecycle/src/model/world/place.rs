//! What the controls act on, for a world.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::World;
use crate::controls::{Place, Presence};
use crate::model::controls::{Call, LEAVING, RETURNING};
use crate::model::operation::Reply;

tokio::task_local! {
    /// The control that acts; not set in a shutdown.
    pub(super) static CALL: Call;
}

#[async_trait]
impl Place for World {
    type Error = String;

    fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        look(&mut self.presence.lock().unwrap())
    }

    async fn closed(&self) {
        self.began.cancelled().await;
    }

    async fn announce(&self) {}

    async fn unregister(&self) -> Result<(), String> {
        match CALL.try_with(|call| *call) {
            Ok(call) => change(LEAVING, call).await,
            Err(_) => self.hook("unregister").await,
        }
    }

    async fn remain(&self) {
        self.see(format!("control {} remains", CALL.get().number));
    }

    async fn register(&self) -> Result<(), String> {
        change(RETURNING, CALL.get()).await
    }

    async fn idle(&self) {
        self.until_idle().await;
    }

    fn refuse_if_idle(&self) -> bool {
        let idle = self.counted(|inner| inner.requests.is_empty());
        if idle {
            Place::refuse(self);
        }
        idle
    }

    fn refuse(&self) {
        self.inner.lock().unwrap().accepts = false;
    }

    fn accept(&self) {
        self.inner.lock().unwrap().accepts = true;
    }

    async fn cut(&self) -> usize {
        let cut = self.counted(|inner| std::mem::take(&mut inner.requests).len());
        self.see(format!("control {} cuts {cut}", CALL.get().number));
        cut
    }

    async fn engine_control(&self, _name: &str, _body: Value) -> Result<Value, String> {
        let call = CALL.get();
        self.see(format!("control {} calls the engine", call.number));
        sleep(Duration::from_millis(call.takes)).await;
        Ok(match call.reply {
            Reply::Done => json!({"status": "ok"}),
            Reply::Error => json!({"status": "Error", "message": "busy"}),
            Reply::StillSleeping => json!({"status": "ok", "is_sleeping": true}),
        })
    }
}

/// One change of discovery, by a control.
async fn change(takes: u64, call: Call) -> Result<(), String> {
    sleep(Duration::from_millis(takes)).await;
    match call.discovery_works {
        true => Ok(()),
        false => Err("discovery is away".to_owned()),
    }
}
