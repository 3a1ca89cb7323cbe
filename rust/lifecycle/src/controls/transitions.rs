//! The one way of an instance out of discovery and back: for controls, for the operator's drain and
//! resume, and for the shutdown.
//!
//! Two locks keep the ways apart. *The turn* is held by whoever takes the instance out or puts it
//! back, from the first half to the last, so that no resume lands between the halves of a sleep.
//! *The change* is held over a single change of discovery. A shutdown waits for that one only before
//! it unregisters; before it drains it gives [controls at the engine](Transitions::engine_left_alone) time.
//!
//! To sleep:
//!
//! 1. Frontends stop choosing the instance, then it leaves discovery.
//! 2. The grace period: routers elsewhere see that it is gone. Late requests are served.
//! 3. What is in flight finishes, within a limit; then requests are refused, and what is left is cut.
//! 4. The engine is told.
//!
//! A shutdown that begins before the last step ends it: the engine is not told any more.
//!
//! An update of what the engine has beside its model takes no turn, as it leaves the instance where it
//! is; updates wait for each other.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, RwLock};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Out, Policy, Presence, error_reply, is_error_reply, lets_register, register_failed,
    unregister_failed,
};
use crate::settings::Settings;

/// How long frontends get to stop choosing an instance that is about to leave.
const ANNOUNCE: Duration = Duration::from_secs(2);

/// What transitions act on.
#[async_trait]
pub trait Place: Send + Sync {
    /// What a step fails with.
    type Error: Display + Send;

    /// Looks at the presence, or changes it, under a lock.
    fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T;
    /// Resolves when shutdown has begun.
    async fn closed(&self);
    /// Has frontends stop choosing the instance, and finish what they are handing over. Dropped
    /// midway where that takes too long.
    async fn announce(&self);
    /// Takes the instance out of discovery.
    async fn unregister(&self) -> Result<(), Self::Error>;
    /// It could not leave: has frontends choose it again, where they were told not to.
    async fn remain(&self);
    /// Puts it back, so that frontends choose it.
    async fn register(&self) -> Result<(), Self::Error>;
    /// Resolves when nothing is in flight.
    async fn idle(&self);
    /// Refuses requests from here on, unless one is in flight; answers whether it does.
    fn refuse_if_idle(&self) -> bool;
    /// Refuses requests from here on.
    fn refuse(&self);
    /// Takes requests again.
    fn accept(&self);
    /// Ends every request in flight with an error on which a frontend migrates.
    async fn cut(&self) -> usize;
    /// Asks the engine whether it would accept a control with a body that is an object, which changes
    /// nothing; why it would not.
    async fn check_control(&self, _name: &str, _body: &Value) -> Result<(), String> {
        Ok(())
    }
    /// Calls the engine's control.
    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, Self::Error>;
}

/// Takes the instance of one worker out of discovery and puts it back.
#[derive(Debug, Default)]
pub struct Transitions {
    grace: Duration,
    sleep: Duration,
    turn: Mutex<()>,
    change: Mutex<()>,
    /// Held by the update that is at the engine, from its beginning to its end.
    updating: Mutex<()>,
    /// Read by each control and update that is at the engine.
    at_engine: RwLock<()>,
}

impl Transitions {
    /// Of a worker with these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            grace: settings.grace,
            sleep: settings.sleep,
            ..Self::default()
        }
    }

    /// Performs a control of the engine's.
    ///
    /// # Errors
    ///
    /// What the engine raised. What the worker refuses is a reply, see [`is_error_reply`].
    pub async fn control<P: Place>(
        &self,
        place: &P,
        name: &str,
        body: Value,
    ) -> Result<Value, P::Error> {
        let policy = Policy::of(name);
        let refused = policy.check_body(&body).and_then(|()| admit(place, name));
        if let Err(refusal) = refused {
            return Ok(refusal);
        }
        if let Err(refusal) = self.check(place, name, &body).await {
            return Ok(refusal);
        }
        match policy {
            Policy::Direct => self.call_engine(place, name, body).await,
            Policy::UnregisterFirst => self.put_to_sleep(place, name, body).await,
            Policy::RegisterAfter => self.wake(place, name, body).await,
        }
    }

    /// Does `work`, which is an update of the engine's, when those before it have ended. It acts
    /// while the engine sleeps, too.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub async fn update<P: Place, T>(
        &self,
        place: &P,
        name: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Value> {
        admit(place, name)?;
        let _updating = self.updating.lock().await;
        let _there = self.at_engine.read().await;
        // Shutdown may have begun meanwhile.
        admit(place, name)?;
        Ok(work.await)
    }

    /// Does `work`, which changes a record of the worker's in discovery, while nobody takes the
    /// instance out or puts it back.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub async fn amend<P: Place, T>(
        &self,
        place: &P,
        name: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Value> {
        admit(place, name)?;
        let _change = self.change.lock().await;
        admit(place, name)?;
        Ok(work.await)
    }

    /// Takes the worker out of discovery; what is in flight goes on, and what comes late is served.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub async fn drain<P: Place>(&self, place: &P) -> Result<(), Value> {
        let _turn = self.turn(place, "drain").await?;
        self.leave(place, "drain", Out::Drained).await
    }

    /// Brings a worker back that was drained. One whose engine sleeps returns when it is woken.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub async fn resume<P: Place>(&self, place: &P) -> Result<(), Value> {
        let _turn = self.turn(place, "resume").await?;
        self.come_back(place, "resume", Out::Drained).await
    }

    /// Takes the instance out of discovery for good, `within` a time at whose end this is dropped;
    /// does nothing where it is out.
    ///
    /// # Errors
    ///
    /// Unregistering failed.
    pub async fn unregister<P: Place>(&self, place: &P, within: Duration) -> Result<(), P::Error> {
        let since = Instant::now();
        let _change = self.change.lock().await;
        if !place.presence(|presence| presence.must_unregister()) {
            return Ok(());
        }
        take_out(place, within.saturating_sub(since.elapsed()) * 3 / 4).await
    }

    /// Resolves when no control and no update is at the engine: for a shutdown that has begun, as from
    /// then on none comes there any more.
    pub async fn engine_left_alone(&self) {
        let _alone = self.at_engine.write().await;
    }

    /// Holds off whoever changes discovery while a registration that was lost is made again. `None`
    /// where somebody is at it, or the instance belongs out of it.
    pub fn begin_repair(&self, is_wanted: impl FnOnce() -> bool) -> Option<MutexGuard<'_, ()>> {
        let change = self.change.try_lock().ok()?;
        is_wanted().then_some(change)
    }

    async fn put_to_sleep<P: Place>(
        &self,
        place: &P,
        name: &str,
        body: Value,
    ) -> Result<Value, P::Error> {
        let ready = async {
            let turn = self.turn(place, name).await?;
            self.leave(place, name, Out::Asleep).await?;
            tokio::select! {
                biased;
                () = place.closed() => {}
                () = self.settle(place, name) => {}
            }
            admit(place, name)?;
            Ok::<_, Value>(turn)
        };
        let _turn = match ready.await {
            Ok(turn) => turn,
            Err(refusal) => return Ok(refusal),
        };
        let reply = self.call_engine(place, name, body).await;
        if !matches!(&reply, Ok(reply) if !is_error_reply(reply)) {
            tracing::warn!(
                control = name,
                "the engine failed after the endpoint was unregistered; it stays unregistered"
            );
        }
        reply
    }

    /// Lets what is in flight finish, and refuses what comes after it.
    async fn settle<P: Place>(&self, place: &P, name: &str) {
        let absent = place.presence(|presence| presence.absent_for());
        sleep(self.grace.saturating_sub(absent.unwrap_or_default())).await;
        if Policy::holds_requests(name) {
            return place.refuse();
        }
        let emptied = async {
            while !place.refuse_if_idle() {
                place.idle().await;
            }
        };
        if timeout(self.sleep, emptied).await.is_err() {
            place.refuse();
            let cut = place.cut().await;
            tracing::warn!(
                control = name,
                "{cut} requests were cut before the engine was called: they had not finished after \
                 {:?}",
                self.sleep
            );
        }
    }

    async fn wake<P: Place>(&self, place: &P, name: &str, body: Value) -> Result<Value, P::Error> {
        let _turn = match self.turn(place, name).await {
            Ok(turn) => turn,
            Err(refusal) => return Ok(refusal),
        };
        let reply = self.call_engine(place, name, body).await?;
        if !lets_register(&reply) {
            return Ok(reply);
        }
        let back = self.come_back(place, name, Out::Asleep).await;
        Ok(back.map_or_else(|refusal| refusal, |()| reply))
    }

    /// What the engine would not accept changes nothing.
    async fn check<P: Place>(&self, place: &P, name: &str, body: &Value) -> Result<(), Value> {
        let _there = self.at_engine.read().await;
        admit(place, name)?;
        if !body.is_object() {
            // What it may be there, the control itself says.
            return Ok(());
        }
        let accepted = place.check_control(name, body).await;
        accepted.map_err(|why| error_reply(format!("{name}: {why}")))
    }

    async fn call_engine<P: Place>(
        &self,
        place: &P,
        name: &str,
        body: Value,
    ) -> Result<Value, P::Error> {
        let _there = self.at_engine.read().await;
        // Shutdown may have begun meanwhile.
        if let Err(refusal) = admit(place, name) {
            return Ok(refusal);
        }
        place.engine_control(name, body).await
    }

    /// Waits until nobody else takes the instance out or puts it back.
    async fn turn<P: Place>(&self, place: &P, name: &str) -> Result<MutexGuard<'_, ()>, Value> {
        admit(place, name)?;
        let turn = self.turn.lock().await;
        // Shutdown may have begun meanwhile.
        admit(place, name)?;
        Ok(turn)
    }

    /// Takes the instance out of discovery where it may be there, and keeps it out.
    async fn leave<P: Place>(&self, place: &P, name: &str, why: Out) -> Result<(), Value> {
        let _change = self.change.lock().await;
        admit(place, name)?;
        if place.presence(|presence| presence.must_unregister()) {
            let left = take_out(place, ANNOUNCE).await;
            left.map_err(|error| unregister_failed(name, error))?;
        }
        place.presence(|presence| presence.is_out(why));
        Ok(())
    }

    async fn come_back<P: Place>(&self, place: &P, name: &str, why: Out) -> Result<(), Value> {
        // Whoever may not return need not wait for a shutdown that unregisters.
        place.presence(|presence| presence.may_come_back(name))?;
        let _change = self.change.lock().await;
        let registers = place.presence(|presence| {
            let registers = presence.may_return(name, why)?;
            if why == Out::Asleep {
                // Under the lock: a shutdown that refuses has closed it before.
                place.accept();
            }
            Ok::<_, Value>(registers)
        })?;
        if registers {
            let registered = place.register().await;
            registered.map_err(|error| register_failed(name, error))?;
        }
        place.presence(|presence| {
            if registers {
                presence.registered();
            }
            presence.back(why);
        });
        Ok(())
    }
}

fn admit<P: Place>(place: &P, name: &str) -> Result<(), Value> {
    place.presence(|presence| presence.admit(name))
}

/// Takes the instance out; an announcement that hangs does not keep it from leaving. One that could
/// not leave serves as before, unless it is wanted no more.
async fn take_out<P: Place>(place: &P, announce: Duration) -> Result<(), P::Error> {
    place.presence(Presence::leaves);
    let announced = timeout(announce.min(ANNOUNCE), place.announce()).await;
    if announced.is_err() {
        tracing::warn!("the departure was not announced in time; the instance leaves all the same");
    }
    let left = place.unregister().await;
    if left.is_err() && !place.presence(|presence| presence.is_closed()) {
        place.remain().await;
    }
    place.presence(|presence| match left {
        Ok(()) => presence.left(Instant::now()),
        Err(_) => presence.stays(),
    });
    left
}

#[cfg(test)]
mod tests;
