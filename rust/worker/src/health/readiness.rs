//! Whether a worker is ready for requests, and why not.

use dynamo_backend_lifecycle::Presence;
use tokio::sync::watch;

/// Which part of its run a worker is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Starting,
    Serving,
    ShuttingDown,
}

impl Phase {
    /// What a worker that does not serve does instead; `None` of one that serves.
    pub(crate) fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("it starts"),
            Self::Serving => None,
            Self::ShuttingDown => Some("it shuts down"),
        }
    }
}

/// What one run knows of its readiness. Written by the run and its controls, read by everybody.
#[derive(Default)]
pub(crate) struct Readiness {
    phase: watch::Sender<Phase>,
    presence: watch::Sender<Presence>,
}

impl Readiness {
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn presence(&self) -> Presence {
        *self.presence.borrow()
    }

    /// Requests are served from here on, unless shutdown has begun.
    pub(crate) fn serving(&self) {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Starting;
            if begins {
                *phase = Phase::Serving;
            }
            begins
        });
    }

    pub(crate) fn shutting_down(&self) {
        self.phase.send_replace(Phase::ShuttingDown);
    }

    pub(crate) fn set_presence(&self, presence: Presence) {
        self.presence.send_replace(presence);
    }

    /// Why no request is to be sent here; `None` where nothing speaks against it.
    pub(crate) fn why_not(&self) -> Option<&'static str> {
        self.phase().why_not().or_else(|| {
            (!self.presence().is_in_service())
                .then_some("an engine control took it out of discovery")
        })
    }

    /// Resolves when the worker is out of service, once it was in it: asleep, or shutting down.
    pub(crate) async fn out_of_service(&self) {
        let (mut phase, mut presence) = (self.phase.subscribe(), self.presence.subscribe());
        // The senders live as long as `self`, so waiting cannot fail.
        let _ = phase.wait_for(|phase| *phase != Phase::Starting).await;
        tokio::select! {
            _ = phase.wait_for(|phase| *phase == Phase::ShuttingDown) => {}
            _ = presence.wait_for(|presence| !presence.is_in_service()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_worker_that_serves_and_is_in_discovery() {
        let readiness = Readiness::default();
        assert_eq!(readiness.why_not(), Some("it starts"));
        readiness.set_presence(Presence::Registered);
        readiness.serving();
        assert_eq!(readiness.why_not(), None);
        readiness.set_presence(Presence::Unregistered);
        assert!(readiness.why_not().is_some());
        readiness.set_presence(Presence::Leaving);
        assert_eq!(readiness.why_not(), None);
        readiness.shutting_down();
        assert_eq!(readiness.why_not(), Some("it shuts down"));
    }

    #[test]
    fn a_worker_that_shuts_down_does_not_serve_again() {
        let readiness = Readiness::default();
        readiness.shutting_down();
        readiness.serving();
        assert_eq!(readiness.phase(), Phase::ShuttingDown);
    }

    #[tokio::test]
    async fn a_worker_leaves_service_when_it_sleeps_or_shuts_down() {
        let readiness = Readiness::default();
        readiness.set_presence(Presence::Registered);
        readiness.serving();
        tokio::join!(readiness.out_of_service(), async {
            readiness.set_presence(Presence::Unregistered)
        });
        readiness.set_presence(Presence::Registered);
        tokio::join!(readiness.out_of_service(), async {
            readiness.shutting_down()
        });
    }
}
