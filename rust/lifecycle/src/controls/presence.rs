//! Where a worker's instance belongs, between the controls that take it out of discovery and put
//! it back, the shutdown that takes it out for good, and whoever repairs a lost registration.
//!
//! | phase | a control | in discovery |
//! |---|---|---|
//! | before serving | is refused | no |
//! | serving, awake | acts | yes |
//! | serving, asleep | acts | no |
//! | closed | is refused | not again |
//!
//! Nothing here waits or locks. The host keeps one [`Presence`] under a lock that is never held
//! over an await, and two asynchronous locks: one that a control which changes discovery holds
//! from its first half to its last, so that no resume lands between the halves of a sleep; and one
//! that is held over a single change of discovery, which is all that a shutdown has to wait for:
//!
//! 1. A control: [`admit`](Presence::admit) before it waits for the first lock, and once it has it.
//! 2. To leave: second lock, [`may_leave`](Presence::may_leave), unregister,
//!    [`left`](Presence::left) where that succeeded.
//! 3. To return: second lock, [`may_return`](Presence::may_return), register,
//!    [`returned`](Presence::returned) where that succeeded; nothing of it unless
//!    [`must_register`](Presence::must_register).
//! 4. Shutdown: [`close`](Presence::close) at once, then the second lock, then unregister if
//!    [`must_unregister`](Presence::must_unregister).
//! 5. A repair of a registration that was lost: as to return, only while
//!    [`is_wanted`](Presence::is_wanted).

use serde_json::Value;

use super::error_reply;

/// How far the worker's life has come, as far as controls care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    BeforeServing,
    Serving,
    Closed,
}

/// What the instance's place in discovery is, and whether it may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    phase: Phase,
    awake: bool,
    /// Also true where registering was tried and failed: it may have been heard all the same.
    may_be_there: bool,
    /// False where unregistering was tried and failed, for the same reason.
    is_there: bool,
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
    /// use dynamo_backend_lifecycle::controls::Presence;
    ///
    /// let mut presence = Presence::new();
    /// assert!(presence.admit("sleep").is_err(), "nothing is served yet");
    /// presence.serving();
    ///
    /// presence.may_leave("sleep").unwrap();
    /// presence.left();
    /// assert!(!presence.is_wanted() && !presence.must_unregister());
    ///
    /// presence.may_return("wake_up").unwrap(); // the host registers …
    /// presence.close(); // … and shutdown begins meanwhile
    /// presence.returned();
    /// assert!(presence.must_unregister());
    /// ```
    pub fn new() -> Self {
        Self {
            phase: Phase::BeforeServing,
            awake: true,
            may_be_there: false,
            is_there: false,
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
        self.is_there = true;
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
                "{control}: the worker does not serve yet, the engine was not called; \
                 call again once it is ready"
            ))),
            Phase::Closed => Err(error_reply(format!(
                "{control}: the worker is shutting down, the engine was not called"
            ))),
        }
    }

    /// Whether a control may unregister the instance: also where it is out already, when there is
    /// nothing to unregister unless [`must_unregister`](Self::must_unregister). On `Ok` it no longer
    /// counts as being there for sure, because unregistering that fails may have been heard.
    ///
    /// # Errors
    ///
    /// The reply to send instead of unregistering and calling the engine.
    pub fn may_leave(&mut self, control: &str) -> Result<(), Value> {
        self.admit(control)?;
        self.is_there = false;
        Ok(())
    }

    /// The instance was unregistered by a control; the engine goes to sleep, or fails to: either
    /// way the instance stays out, and the canary leaves the engine alone, until it returned.
    pub fn left(&mut self) {
        self.awake = false;
        self.may_be_there = false;
        self.is_there = false;
    }

    /// Whether the instance may be registered now, after the engine's reply allowed it. On `Ok`
    /// it counts as being there, because registering that fails may have been heard.
    ///
    /// # Errors
    ///
    /// The reply to send: the engine is awake, and discovery must not hear of it any more.
    pub fn may_return(&mut self, control: &str) -> Result<(), Value> {
        if self.phase != Phase::Serving {
            return Err(error_reply(format!(
                "{control}: the engine succeeded, but the worker is shutting down and does not \
                 return to discovery"
            )));
        }
        self.may_be_there = true;
        Ok(())
    }

    /// The instance was registered.
    pub fn returned(&mut self) {
        self.awake = true;
        self.is_there = true;
    }

    /// Shutdown begins: from here on every control is refused, and nothing returns.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
    }

    /// Whether a shutdown has to take the instance out of discovery.
    pub fn must_unregister(&self) -> bool {
        self.may_be_there
    }

    /// Whether a control that returns has to register the instance: it is not known to be there.
    pub fn must_register(&self) -> bool {
        !self.is_there
    }

    /// Whether the instance belongs into discovery: what readiness follows, and whether a
    /// registration that was lost has to be made again.
    pub fn is_wanted(&self) -> bool {
        self.phase == Phase::Serving && self.awake
    }

    /// Why the instance does not belong into discovery; `None` while it does.
    pub fn why_not_wanted(&self) -> Option<&'static str> {
        match self.phase {
            Phase::BeforeServing => Some("the worker does not serve yet"),
            Phase::Closed => Some("the worker is shutting down"),
            Phase::Serving if self.awake => None,
            Phase::Serving => Some("an engine control took the worker out of discovery"),
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

    fn serving() -> Presence {
        let mut presence = Presence::new();
        presence.serving();
        presence
    }

    fn asleep() -> Presence {
        let mut presence = serving();
        presence.may_leave("sleep").unwrap();
        presence.left();
        presence
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
            (asleep(), true),
            (closed(Presence::new()), false),
            (closed(serving()), false),
            (closed(asleep()), false),
        ] {
            assert_eq!(presence.admit("flush").is_ok(), acts, "{presence:?}");
            assert_eq!(presence.may_leave("sleep").is_ok(), acts, "{presence:?}");
            assert_eq!(presence.may_return("wake_up").is_ok(), acts, "{presence:?}");
        }
    }

    #[test]
    fn section_7_refusals_are_error_replies_that_name_control_and_reason() {
        let refusals = [
            (Presence::new().admit("sleep"), "sleep", "does not serve"),
            (closed(serving()).admit("flush"), "flush", "shutting down"),
            (
                closed(asleep()).may_return("wake_up"),
                "wake_up",
                "the engine succeeded",
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
    fn section_7_sleep_takes_the_instance_out_and_wake_puts_it_back() {
        let mut presence = serving();
        assert!(presence.is_wanted() && presence.must_unregister() && !presence.pauses_canary());
        presence.left();
        assert!(!presence.is_wanted() && !presence.must_unregister() && presence.pauses_canary());
        presence.may_return("wake_up").unwrap();
        assert!(presence.pauses_canary(), "only once it is registered");
        presence.returned();
        assert_eq!(presence, serving());
    }

    #[test]
    fn section_7_a_registration_that_failed_may_have_been_heard() {
        let mut presence = asleep();
        presence.may_return("wake_up").unwrap();
        assert!(!presence.is_wanted(), "it did not return");
        assert!(presence.must_unregister());
    }

    #[test]
    fn section_7_an_unregistering_that_failed_may_have_been_heard() {
        let mut presence = serving();
        assert!(!presence.must_register());
        presence.may_leave("sleep").unwrap();
        // It failed: the engine stays awake, and waking it must repair what may have happened.
        assert!(presence.is_wanted() && presence.must_unregister() && presence.must_register());
        presence.may_return("wake_up").unwrap();
        presence.returned();
        assert_eq!(presence, serving());
    }

    #[test]
    fn section_12_8_whoever_is_not_wanted_is_told_why() {
        for presence in [Presence::new(), serving(), asleep(), closed(serving())] {
            let why_not = presence.why_not_wanted();
            assert_eq!(why_not.is_none(), presence.is_wanted(), "{presence:?}");
        }
        assert_ne!(asleep().why_not_wanted(), closed(asleep()).why_not_wanted());
    }

    #[test]
    fn section_8_the_canary_asks_before_and_while_the_worker_is_awake() {
        assert!(!Presence::new().pauses_canary());
        assert!(!serving().pauses_canary());
        assert!(asleep().pauses_canary());
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
        assert!(!closed(asleep()).must_unregister());
    }

    #[test]
    fn section_5_what_returns_while_shutdown_begins_is_unregistered() {
        let mut presence = asleep();
        presence.may_return("wake_up").unwrap();
        presence.close();
        presence.returned();
        assert!(presence.must_unregister() && !presence.is_wanted());
    }

    #[test]
    fn section_5_a_registration_that_ends_after_shutdown_began_is_unregistered() {
        let mut presence = closed(Presence::new());
        presence.serving();
        assert!(presence.must_unregister() && !presence.is_wanted());
        assert!(presence.admit("sleep").is_err());
    }
}
