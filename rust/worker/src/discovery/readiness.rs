//! Whether a worker is ready for requests, and why not.

use std::borrow::Cow;
use std::time::Duration;

use dynamo_backend_lifecycle::controls::Presence;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// For how long what was seen in discovery holds. Looks are a second apart; where records outlive
/// their worker's last sign, they do so for longer.
const SIGHT: Duration = Duration::from_secs(5);

/// What one run knows of its readiness. Written by the run and its controls, read by everybody.
#[derive(Default)]
pub(crate) struct Readiness {
    presence: watch::Sender<Presence>,
    seen: Mutex<Option<Seen>>,
}

/// What the last look at discovery found.
struct Seen {
    at: Instant,
    why_not: Option<String>,
}

impl Readiness {
    /// The state, locked: not to be kept over an await.
    pub(crate) fn presence(&self) -> watch::Ref<'_, Presence> {
        self.presence.borrow()
    }

    /// Looks at the state, or changes it, locked.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        let mut seen = None;
        self.presence.send_if_modified(|presence| {
            let before = presence.clone();
            seen = Some(look(presence));
            *presence != before
        });
        seen.expect("send_if_modified calls its closure once")
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Presence)) {
        self.presence.send_modify(change);
    }

    /// Why no request is to be sent here; `None` where nothing speaks against it.
    pub(crate) fn why_not(&self) -> Option<Cow<'static, str>> {
        if let Some(reason) = self.presence().why_not_wanted() {
            return Some(reason.into());
        }
        if self.has_stood_still() {
            return Some(
                "discovery was not seen for a while: the worker stood still, or has no answer from \
                 discovery; it looks again"
                    .into(),
            );
        }
        let seen = self.seen.lock();
        seen.as_ref()?.why_not.clone().map(Cow::Owned)
    }

    /// Notes why discovery has no place for the worker, `None` where it has. Whether that is new.
    pub(crate) fn looked_at_discovery(&self, why_not: Option<String>) -> bool {
        let at = Instant::now();
        let before = self.seen.lock().replace(Seen {
            at,
            why_not: why_not.clone(),
        });
        before.and_then(|before| before.why_not) != why_not
    }

    /// Whether the last look is longer ago than what it saw holds.
    pub(crate) fn has_stood_still(&self) -> bool {
        let seen = self.seen.lock();
        seen.as_ref().is_some_and(|seen| seen.at.elapsed() > SIGHT)
    }

    /// Resolves when the canary may probe the engine.
    pub(crate) async fn canary_goes_on(&self) {
        let mut presence = self.presence.subscribe();
        let _ = presence
            .wait_for(|presence| !presence.pauses_canary())
            .await;
    }

    /// Resolves when the canary must leave the engine alone.
    pub(crate) async fn canary_pauses(&self) {
        self.until(Presence::pauses_canary).await;
    }

    /// Resolves when shutdown has begun.
    pub(crate) async fn closed(&self) {
        self.until(Presence::is_closed).await;
    }

    /// Resolves when the state is so.
    pub(crate) async fn until(&self, is_so: impl FnMut(&Presence) -> bool) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let mut presence = self.presence.subscribe();
        let _ = presence.wait_for(is_so).await;
    }
}

#[cfg(test)]
mod tests {
    use dynamo_backend_lifecycle::controls::Out;

    use super::*;

    #[tokio::test]
    async fn section_8_the_canary_pauses_when_the_worker_sleeps_or_shuts_down() {
        let readiness = Readiness::default();
        readiness.change(Presence::serving);
        assert_eq!(readiness.why_not(), None);
        tokio::join!(readiness.canary_pauses(), async {
            readiness.change(|presence| presence.is_out(Out::Asleep));
        });
        tokio::join!(readiness.canary_goes_on(), async {
            readiness.change(|presence| presence.back(Out::Asleep));
        });
        assert_eq!(readiness.why_not(), None);
        tokio::join!(readiness.canary_pauses(), async {
            readiness.change(Presence::close);
        });
        assert!(readiness.why_not().is_some());
    }
}
