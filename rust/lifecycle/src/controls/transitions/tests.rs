use std::future::pending;
use std::sync::Mutex as SyncMutex;

use serde_json::json;

use super::*;

/// A place that is slow to return to, cannot be left where it `holds`, and where nobody hears an
/// announcement to its end.
#[derive(Default)]
struct Slow {
    holds: bool,
    presence: SyncMutex<Presence>,
    seen: SyncMutex<Vec<&'static str>>,
}

const RETURNING: Duration = Duration::from_secs(8);

impl Slow {
    fn serving(holds: bool) -> Self {
        let place = Self {
            holds,
            ..Self::default()
        };
        place.presence.lock().unwrap().serving();
        place
    }

    fn see(&self, what: &'static str) {
        self.seen.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Place for Slow {
    type Error = &'static str;

    fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        look(&mut self.presence.lock().unwrap())
    }

    async fn closed(&self) {
        pending().await
    }

    async fn announce(&self) {
        pending().await
    }

    async fn unregister(&self) -> Result<(), &'static str> {
        self.see("unregister");
        if self.holds {
            return Err("discovery is away");
        }
        Ok(())
    }

    async fn remain(&self) {
        assert!(
            !self.presence.lock().unwrap().is_wanted(),
            "it is told last"
        );
        self.see("remain");
    }

    async fn register(&self) -> Result<(), &'static str> {
        sleep(RETURNING).await;
        Ok(())
    }

    async fn idle(&self) {}

    fn refuse_if_idle(&self) -> bool {
        true
    }

    fn refuse(&self) {}

    fn accept(&self) {}

    async fn cut(&self) -> usize {
        0
    }

    async fn engine_control(&self, _name: &str, _body: Value) -> Result<Value, &'static str> {
        Ok(json!({}))
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_waits_for_its_turn_leaves_in_what_is_left_of_its_time() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    transitions.drain(&place).await.unwrap();
    let within = RETURNING + Duration::from_secs(1);
    let resuming = transitions.resume(&place);
    let leaving = async {
        // After the resume has begun.
        tokio::task::yield_now().await;
        place.presence.lock().unwrap().close();
        timeout(within, transitions.unregister(&place, within)).await
    };
    let (_, left) = tokio::join!(resuming, leaving);
    assert_eq!(left, Ok(Ok(())));
    assert!(!place.presence.lock().unwrap().must_unregister());
}

#[tokio::test(start_paused = true)]
async fn who_could_not_leave_remains_unless_it_shuts_down() {
    let (transitions, place) = (Transitions::default(), Slow::serving(true));
    transitions.drain(&place).await.unwrap_err();
    assert!(place.presence.lock().unwrap().is_wanted());
    let reply = transitions
        .control(&place, "sleep", json!({}))
        .await
        .unwrap();
    assert!(is_error_reply(&reply), "{reply}");
    assert_eq!(
        std::mem::take(&mut *place.seen.lock().unwrap()),
        ["unregister", "remain", "unregister", "remain"]
    );
    place.presence.lock().unwrap().close();
    let within = Duration::from_secs(1);
    transitions.unregister(&place, within).await.unwrap_err();
    assert_eq!(*place.seen.lock().unwrap(), ["unregister"]);
}
