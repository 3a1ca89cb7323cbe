//! Where a worker's instance belongs, between the controls that take it out of discovery and put
//! it back, the shutdown that takes it out for good, and whoever repairs a lost registration.
//!
//! | phase | a control | in discovery |
//! |---|---|---|
//! | before serving | is refused | no |
//! | serving, awake and not drained | acts | yes |
//! | serving, asleep or drained | acts | no |
//! | closed | is refused | not again |
//!
//! Nothing here waits or locks: [`Transitions`](super::Transitions) say in which order this is asked and
//! told, and under which locks.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::reply::error_reply;

/// How far the worker's life has come, as far as controls care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    BeforeServing,
    Serving,
    Closed,
}

/// Why an instance is out of discovery though its worker serves. Both may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Out {
    /// The engine sleeps: a control that unregisters first came before.
    Asleep,
    /// The operator drained the worker.
    Drained,
}

/// What a worker does with requests, as its operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// It does not serve yet.
    Starting,
    /// It is in discovery.
    Serving,
    /// It leaves or has left discovery, and requests are in flight or may still come.
    Draining,
    /// It has left discovery for longer than the grace period, and nothing is in flight.
    Drained,
}

impl Service {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Serving, Self::Draining, Self::Drained];

    /// Its name in replies and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// What the instance's place in discovery is, and whether it may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    phase: Phase,
    awake: bool,
    drained: bool,
    /// Also true where registering was tried and failed: it may have been heard all the same.
    may_be_there: bool,
    /// False where unregistering was tried and failed, for the same reason.
    is_there: bool,
    /// It is on its way out.
    leaving: bool,
    left_at: Option<Instant>,
}

impl Default for Presence {
    fn default() -> Self {
        Self::new()
    }
}

impl Presence {
    /// Of a worker that does not serve yet.
    ///
    /// ```
    /// use dynamo_backend_lifecycle::controls::{Out, Presence};
    ///
    /// let mut presence = Presence::new();
    /// assert!(presence.admit("sleep").is_err(), "nothing is served yet");
    /// presence.serving();
    ///
    /// presence.leaves();
    /// presence.left(tokio::time::Instant::now());
    /// presence.is_out(Out::Asleep);
    /// assert!(!presence.is_wanted() && !presence.must_unregister());
    ///
    /// // The host registers, and shutdown begins meanwhile.
    /// assert_eq!(presence.may_return("wake_up", Out::Asleep), Ok(true));
    /// presence.close();
    /// presence.registered();
    /// assert!(presence.must_unregister());
    /// ```
    pub fn new() -> Self {
        Self {
            phase: Phase::BeforeServing,
            awake: true,
            drained: false,
            may_be_there: false,
            is_there: false,
            leaving: false,
            left_at: None,
        }
    }

    /// The instance is being registered for the first time: it may be there from here on.
    pub fn registers(&mut self) {
        self.may_be_there = true;
    }

    /// The worker serves: its instance is in discovery.
    pub fn serving(&mut self) {
        if self.phase == Phase::BeforeServing {
            self.phase = Phase::Serving;
        }
        self.may_be_there = true;
        self.registered();
    }

    /// Whether a control, of any policy, may act now. Asked again by one that waited.
    ///
    /// # Errors
    ///
    /// The reply to send instead of calling the engine.
    pub fn admit(&self, control: &str) -> Result<(), Value> {
        match self.phase {
            Phase::Serving => Ok(()),
            Phase::BeforeServing => Err(error_reply(format!(
                "{control}: the worker does not serve yet, and nothing was done; call again once \
                 it is ready"
            ))),
            Phase::Closed => Err(error_reply(format!(
                "{control}: the worker is shutting down, and nothing was done"
            ))),
        }
    }

    /// The instance is about to leave. It no longer counts as being there for sure, because
    /// unregistering that fails may have been heard.
    pub fn leaves(&mut self) {
        self.leaving = true;
        self.is_there = false;
    }

    /// Unregistering failed: it belongs where it was.
    pub fn stays(&mut self) {
        self.leaving = false;
    }

    /// The instance was unregistered.
    pub fn left(&mut self, now: Instant) {
        self.leaving = false;
        self.may_be_there = false;
        self.is_there = false;
        self.left_at = Some(now);
    }

    /// It stays out, for this reason, until it is [`back`](Self::back). Of an engine that is put to
    /// sleep: also where it fails to.
    pub fn is_out(&mut self, why: Out) {
        match why {
            Out::Asleep => self.awake = false,
            Out::Drained => self.drained = true,
        }
    }

    /// Whether anything may return to discovery.
    ///
    /// # Errors
    ///
    /// The reply to send: the engine is awake, and discovery must not hear of it any more.
    pub fn may_come_back(&self, control: &str) -> Result<(), Value> {
        if self.phase == Phase::Serving {
            return Ok(());
        }
        Err(error_reply(format!(
            "{control}: the worker is shutting down and does not return to discovery"
        )))
    }

    /// Whether the instance is to be registered, now that `why` is over: not where it is there, nor
    /// where the other reason holds. On `Ok(true)` it counts as maybe being there, because
    /// registering that fails may have been heard.
    ///
    /// # Errors
    ///
    /// As of [`may_come_back`](Self::may_come_back).
    pub fn may_return(&mut self, control: &str, why: Out) -> Result<bool, Value> {
        self.may_come_back(control)?;
        let stays_out = match why {
            Out::Asleep => self.drained,
            Out::Drained => !self.awake,
        };
        let registers = !stays_out && !self.is_there;
        self.may_be_there |= registers;
        Ok(registers)
    }

    /// The instance was registered.
    pub fn registered(&mut self) {
        self.is_there = true;
        self.left_at = None;
    }

    /// `why` holds no more.
    pub fn back(&mut self, why: Out) {
        match why {
            Out::Asleep => self.awake = true,
            Out::Drained => self.drained = false,
        }
    }

    /// Shutdown begins: from here on every control is refused, and nothing returns.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
    }

    /// Whether shutdown has begun.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the instance may be in discovery, so that who wants it out has to unregister it.
    pub fn must_unregister(&self) -> bool {
        self.may_be_there
    }

    /// Whether the instance belongs into discovery: what readiness follows, and whether a
    /// registration that was lost has to be made again.
    pub fn is_wanted(&self) -> bool {
        self.why_not_wanted().is_none()
    }

    /// Why the instance does not belong into discovery; `None` while it does.
    pub fn why_not_wanted(&self) -> Option<&'static str> {
        match self.phase {
            Phase::BeforeServing => Some("the worker does not serve yet"),
            Phase::Closed => Some("the worker is shutting down"),
            Phase::Serving if !self.awake => {
                Some("an engine control took the worker out of discovery")
            }
            Phase::Serving if self.drained => {
                Some("the worker was drained by /engine/drain; /engine/resume brings it back")
            }
            Phase::Serving if self.leaving => Some("the worker is leaving discovery"),
            Phase::Serving => None,
        }
    }

    /// How long the instance has been out of discovery; `None` where it may be there, or never was.
    pub fn absent_for(&self) -> Option<Duration> {
        self.left_at
            .filter(|_| !self.may_be_there)
            .map(|left| left.elapsed())
    }

    /// What the worker does, with these requests in flight. Whoever was told of the instance may
    /// send some until the `grace` period is over.
    pub fn service(&self, in_flight: usize, grace: Duration) -> Service {
        if self.phase == Phase::BeforeServing {
            Service::Starting
        } else if self.is_wanted() {
            Service::Serving
        } else if in_flight == 0 && self.absent_for().is_some_and(|absent| absent >= grace) {
            Service::Drained
        } else {
            Service::Draining
        }
    }

    /// Whether the canary leaves the engine alone: it sleeps, or it is about to be cleaned up.
    pub fn pauses_canary(&self) -> bool {
        !self.awake || self.phase == Phase::Closed
    }
}

#[cfg(test)]
mod tests;
