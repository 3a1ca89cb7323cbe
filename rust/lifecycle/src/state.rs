//! The states of a worker and the one table of its transitions.
//!
//! | from | event | to |
//! |---|---|---|
//! | `Init` | `StartReturned` | `Running` |
//! | `Init` | `StartRaised` | `StartFailed` |
//! | `Init` | `NeverStarted` | `Stopped` |
//! | `Running` | `CleanedUp` | `Stopped` |
//! | `StartFailed` | `CleanedUp` | `Stopped` |
//!
//! Every other pair is a programmer's error.

use std::fmt;

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The engine's `start` has not returned yet.
    Init,
    /// `start` returned; one `cleanup` is owed.
    Running,
    /// `start` failed; one `cleanup` is owed.
    StartFailed,
    /// Over. The worker cannot be used again.
    Stopped,
}

/// What moves a worker from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The engine's `start` returned.
    StartReturned,
    /// The engine's `start` failed.
    StartRaised,
    /// Shutdown came before `start`, or connecting failed.
    NeverStarted,
    /// The engine's `cleanup` ended, whether it succeeded or failed.
    CleanedUp,
}

/// Every transition there is: from, event, to.
pub const TRANSITIONS: [(State, Event, State); 5] = [
    (State::Init, Event::StartReturned, State::Running),
    (State::Init, Event::StartRaised, State::StartFailed),
    (State::Init, Event::NeverStarted, State::Stopped),
    (State::Running, Event::CleanedUp, State::Stopped),
    (State::StartFailed, Event::CleanedUp, State::Stopped),
];

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [
        State::Init,
        State::Running,
        State::StartFailed,
        State::Stopped,
    ];

    /// The state that `event` leads to, or `None` where the table has no such transition.
    ///
    /// ```
    /// use dynamo_backend_lifecycle::state::{Event, State};
    ///
    /// assert_eq!(State::Init.after(Event::StartReturned), Some(State::Running));
    /// assert_eq!(State::Stopped.after(Event::StartReturned), None);
    /// ```
    pub fn after(self, event: Event) -> Option<State> {
        TRANSITIONS
            .iter()
            .find(|(from, on, _)| (*from, *on) == (self, event))
            .map(|(_, _, to)| *to)
    }

    /// The state's name, as Python and the logs show it.
    pub fn name(self) -> &'static str {
        match self {
            State::Init => "Init",
            State::Running => "Running",
            State::StartFailed => "StartFailed",
            State::Stopped => "Stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A state that only moves along the table, and knows whether `start` was called.
#[derive(Debug)]
pub struct Machine {
    state: State,
    start_called: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A worker that has done nothing yet.
    pub fn new() -> Self {
        Self {
            state: State::Init,
            start_called: false,
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Says that the engine's `start` is being called.
    ///
    /// # Panics
    ///
    /// When it was called before, or the worker is over: in release builds too, because a second
    /// `start` would load a model over one that may be serving.
    pub fn call_start(&mut self) {
        assert!(
            !self.start_called && self.state == State::Init,
            "a worker is started once: it is {} and start was {}called before",
            self.state,
            if self.start_called { "" } else { "not " },
        );
        self.start_called = true;
    }

    /// Moves along the table; answers the new state.
    ///
    /// # Panics
    ///
    /// When the table has no such transition, or the event speaks of a `start` that was not
    /// called (or of none where one was): in release builds too.
    pub fn apply(&mut self, event: Event) -> State {
        let start_told = event != Event::NeverStarted;
        let next = self
            .state
            .after(event)
            .filter(|_| start_told == self.start_called);
        self.state = next.unwrap_or_else(|| {
            panic!(
                "a worker that is {} (start called: {}) cannot take {event:?}",
                self.state, self.start_called
            )
        });
        self.state
    }

    /// True while the engine's `cleanup` still has to be called.
    pub fn owes_cleanup(&self) -> bool {
        matches!(self.state, State::Running | State::StartFailed)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const EVENTS: [Event; 4] = [
        Event::StartReturned,
        Event::StartRaised,
        Event::NeverStarted,
        Event::CleanedUp,
    ];

    /// A machine brought to `state` by the shortest way.
    fn machine_in(state: State) -> Machine {
        let mut machine = Machine::new();
        match state {
            State::Init => {}
            State::Running => {
                machine.call_start();
                machine.apply(Event::StartReturned);
            }
            State::StartFailed => {
                machine.call_start();
                machine.apply(Event::StartRaised);
            }
            State::Stopped => {
                machine.apply(Event::NeverStarted);
            }
        }
        machine
    }

    #[test]
    fn section_3_has_these_transitions_and_no_others() {
        let mut found = Vec::new();
        for from in State::ALL {
            for event in EVENTS {
                if let Some(to) = from.after(event) {
                    found.push(format!("{from} {event:?} {to}"));
                }
            }
        }
        assert_eq!(
            found,
            [
                "Init StartReturned Running",
                "Init StartRaised StartFailed",
                "Init NeverStarted Stopped",
                "Running CleanedUp Stopped",
                "StartFailed CleanedUp Stopped",
            ]
        );
    }

    #[test]
    fn section_3_starting_twice_panics_in_every_state() {
        for state in State::ALL {
            let mut machine = machine_in(state);
            let first = catch_unwind(AssertUnwindSafe(|| machine.call_start()));
            assert_eq!(
                first.is_ok(),
                state == State::Init,
                "start called in {state}"
            );
            let again = catch_unwind(AssertUnwindSafe(|| machine.call_start()));
            assert!(again.is_err(), "start called again in {state}");
        }
    }

    #[test]
    fn section_3_what_the_table_lacks_panics() {
        for state in State::ALL {
            for event in EVENTS {
                let mut machine = machine_in(state);
                if state == State::Init && event != Event::NeverStarted {
                    machine.call_start();
                }
                let result = catch_unwind(AssertUnwindSafe(|| machine.apply(event)));
                assert_eq!(result.ok(), state.after(event), "{event:?} in {state}");
            }
        }
    }

    #[test]
    fn section_3_never_started_after_start_was_called_panics() {
        let mut machine = Machine::new();
        machine.call_start();
        assert!(catch_unwind(AssertUnwindSafe(|| machine.apply(Event::NeverStarted))).is_err());
    }

    #[test]
    fn section_2_cleanup_is_owed_exactly_between_start_and_stopped() {
        for state in State::ALL {
            let owed = matches!(state, State::Running | State::StartFailed);
            assert_eq!(machine_in(state).owes_cleanup(), owed, "{state}");
        }
    }
}
