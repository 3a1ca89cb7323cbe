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

    async fn check_control(&self, _name: &str, body: &Value) -> Result<(), String> {
        assert!(body.is_object());
        sleep(Duration::from_secs(
            body["checked_for"].as_u64().unwrap_or(0),
        ))
        .await;
        match body["level"].as_u64() {
            Some(level) if level > 2 => Err("level is 0, 1 or 2".to_owned()),
            _ => Ok(()),
        }
    }

    async fn engine_control(&self, _name: &str, _body: Value) -> Result<Value, &'static str> {
        self.see("engine");
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

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_accept_changes_nothing() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    let before = place.presence(|presence| presence.clone());
    for name in ["sleep", "wake_up", "flush"] {
        let reply = transitions.control(&place, name, json!({"level": 3}));
        assert_eq!(
            reply.await.unwrap(),
            error_reply(format!("{name}: level is 0, 1 or 2"))
        );
    }
    assert!(place.seen.lock().unwrap().is_empty());
    assert_eq!(place.presence(|presence| presence.clone()), before);
    transitions
        .control(&place, "sleep", json!({"level": 2}))
        .await
        .unwrap();
    assert_eq!(*place.seen.lock().unwrap(), ["unregister", "engine"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_object_is_for_the_control_alone() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    for body in [json!([]), json!("x"), json!(null)] {
        transitions.control(&place, "flush", body).await.unwrap();
    }
    assert_eq!(*place.seen.lock().unwrap(), ["engine"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_control_that_is_checked_when_shutdown_begins_does_not_reach_the_engine() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    let controlled = transitions.control(&place, "flush", json!({"checked_for": 3}));
    let shutdown = async {
        sleep(Duration::from_secs(1)).await;
        place.presence.lock().unwrap().close();
        transitions.engine_left_alone().await;
    };
    let (reply, ()) = tokio::join!(controlled, shutdown);
    assert!(is_error_reply(&reply.unwrap()));
    assert!(place.seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn updates_wait_for_each_other_and_a_shutdown_for_the_one_that_is_there() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    let takes = Duration::from_secs(3);
    let began = Instant::now();
    let first = transitions.update(&place, "load", async {
        sleep(takes).await;
        "done"
    });
    let second = transitions.update(&place, "load", async { unreachable!("it is closed") });
    let shutdown = async {
        sleep(Duration::from_secs(1)).await;
        place.presence.lock().unwrap().close();
        transitions.engine_left_alone().await;
        began.elapsed()
    };
    let (first, second, left_alone): (_, Result<(), _>, _) = tokio::join!(first, second, shutdown);
    assert_eq!(first, Ok("done"));
    let refusal = second.unwrap_err();
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("shutting down"), "{message}");
    assert_eq!(left_alone, takes);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_amended_while_nobody_takes_the_instance_out() {
    let (transitions, place) = (Transitions::default(), Slow::serving(false));
    let amending = transitions.amend(&place, "model_taints", async {
        sleep(Duration::from_secs(1)).await;
        place.see("amended");
    });
    let (amended, drained) = tokio::join!(amending, transitions.drain(&place));
    assert_eq!((amended, drained), (Ok(()), Ok(())));
    assert_eq!(*place.seen.lock().unwrap(), ["amended", "unregister"]);
    place.presence.lock().unwrap().close();
    let refused = transitions.amend(&place, "model_taints", async { unreachable!() });
    let refused: Result<(), Value> = refused.await;
    assert!(is_error_reply(&refused.unwrap_err()));
}
