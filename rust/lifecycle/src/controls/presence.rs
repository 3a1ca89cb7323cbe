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
//! Nothing here waits or locks: [`Instance`](super::Instance) says in which order this is asked and
//! told, and under which locks.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::error_reply;

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
mod tests {
    use super::super::is_error_reply;
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn serving() -> Presence {
        let mut presence = Presence::new();
        presence.serving();
        presence
    }

    fn out(why: Out) -> Presence {
        let mut presence = serving();
        presence.leaves();
        presence.left(Instant::now());
        presence.is_out(why);
        presence
    }

    fn returns(presence: &mut Presence, why: Out) -> bool {
        let registers = presence.may_return("return", why).unwrap();
        if registers {
            presence.registered();
        }
        presence.back(why);
        registers
    }

    fn closed(mut presence: Presence) -> Presence {
        presence.close();
        presence
    }

    #[test]
    fn section_7_controls_act_only_while_the_worker_serves() {
        for (mut presence, acts) in [
            (Presence::new(), false),
            (serving(), true),
            (out(Out::Asleep), true),
            (out(Out::Drained), true),
            (closed(Presence::new()), false),
            (closed(serving()), false),
            (closed(out(Out::Asleep)), false),
        ] {
            assert_eq!(presence.admit("flush").is_ok(), acts, "{presence:?}");
            let returns = presence.may_return("wake_up", Out::Asleep);
            assert_eq!(returns.is_ok(), acts, "{presence:?}");
        }
    }

    #[test]
    fn section_7_refusals_are_error_replies_that_name_control_and_reason() {
        let mut asleep = closed(out(Out::Asleep));
        let refusals = [
            (Presence::new().admit("sleep"), "sleep", "does not serve"),
            (closed(serving()).admit("flush"), "flush", "shutting down"),
            (
                asleep.may_return("wake_up", Out::Asleep).map(drop),
                "wake_up",
                "does not return",
            ),
        ];
        for (refusal, control, reason) in refusals {
            let reply = refusal.unwrap_err();
            assert!(is_error_reply(&reply), "{reply}");
            let message = reply["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("{control}: ")), "{message}");
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn section_7_sleep_and_drain_take_the_instance_out_until_it_is_back() {
        for why in [Out::Asleep, Out::Drained] {
            let mut presence = out(why);
            assert!(!presence.is_wanted() && !presence.must_unregister());
            // The engine of a drained worker is awake.
            assert_eq!(presence.pauses_canary(), why == Out::Asleep);
            assert!(returns(&mut presence, why));
            assert_eq!(presence, serving());
        }
    }

    #[test]
    fn section_7_who_sleeps_and_was_drained_returns_when_neither_holds() {
        for (first, second) in [(Out::Asleep, Out::Drained), (Out::Drained, Out::Asleep)] {
            let mut presence = out(Out::Asleep);
            presence.is_out(Out::Drained);
            assert!(!returns(&mut presence, first));
            assert!(!presence.is_wanted() && !presence.must_unregister());
            assert!(returns(&mut presence, second));
            assert_eq!(presence, serving());
        }
    }

    #[test]
    fn section_7_a_registration_that_failed_may_have_been_heard() {
        let mut presence = out(Out::Asleep);
        assert_eq!(presence.may_return("wake_up", Out::Asleep), Ok(true));
        assert!(!presence.is_wanted(), "it did not return");
        assert!(presence.must_unregister());
        assert_eq!(presence.absent_for(), None);
    }

    #[test]
    fn section_7_an_unregistering_that_failed_may_have_been_heard() {
        let mut presence = serving();
        assert_eq!(presence.may_return("wake_up", Out::Asleep), Ok(false));
        presence.leaves();
        assert!(!presence.is_wanted());
        assert_eq!(presence.service(0, GRACE), Service::Draining);
        presence.stays();
        // It failed: the engine stays awake, and waking it must repair what may have happened.
        assert!(presence.is_wanted() && presence.must_unregister());
        assert!(returns(&mut presence, Out::Asleep));
        assert_eq!(presence, serving());
    }

    #[test]
    fn section_12_8_whoever_is_not_wanted_is_told_why() {
        let mut leaving = serving();
        leaving.leaves();
        let reasons = [
            leaving,
            Presence::new(),
            out(Out::Asleep),
            out(Out::Drained),
            closed(serving()),
        ]
        .map(|presence| presence.why_not_wanted().unwrap());
        for (place, reason) in reasons.iter().enumerate() {
            assert!(!reasons[..place].contains(reason), "{reason}");
        }
        assert_eq!(serving().why_not_wanted(), None);
    }

    #[test]
    fn section_8_the_canary_asks_before_and_while_the_worker_is_awake() {
        assert!(!Presence::new().pauses_canary());
        assert!(!serving().pauses_canary());
        assert!(out(Out::Asleep).pauses_canary());
        assert!(closed(serving()).pauses_canary());
    }

    #[test]
    fn section_5_a_shutdown_unregisters_what_may_be_in_discovery() {
        assert!(!closed(Presence::new()).must_unregister());
        let mut dropped_midway = Presence::new();
        dropped_midway.registers();
        assert!(!dropped_midway.is_wanted() && dropped_midway.admit("sleep").is_err());
        assert!(closed(dropped_midway).must_unregister());
        assert!(closed(serving()).must_unregister());
        assert!(!closed(out(Out::Asleep)).must_unregister());
    }

    #[test]
    fn section_5_what_returns_while_shutdown_begins_is_unregistered() {
        let mut presence = out(Out::Asleep);
        presence.may_return("wake_up", Out::Asleep).unwrap();
        presence.close();
        presence.registered();
        presence.back(Out::Asleep);
        assert!(presence.must_unregister() && !presence.is_wanted());
    }

    #[test]
    fn section_5_a_registration_that_ends_after_shutdown_began_is_unregistered() {
        let mut presence = closed(Presence::new());
        presence.serving();
        assert!(presence.must_unregister() && !presence.is_wanted());
        assert!(presence.admit("sleep").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_is_drained_when_nothing_is_in_flight_and_nobody_can_send_more() {
        assert_eq!(Presence::new().service(0, GRACE), Service::Starting);
        assert_eq!(serving().service(0, GRACE), Service::Serving);
        assert_eq!(closed(serving()).service(0, GRACE), Service::Draining);
        let makes: [fn() -> Presence; 3] = [
            || out(Out::Drained),
            || out(Out::Asleep),
            || closed(out(Out::Drained)),
        ];
        for make in makes {
            let presence = make();
            assert_eq!(presence.service(0, GRACE), Service::Draining);
            tokio::time::advance(GRACE).await;
            assert_eq!(presence.service(1, GRACE), Service::Draining);
            assert_eq!(presence.service(0, GRACE), Service::Drained);
        }
    }
}
