use tokio::sync::watch;

use super::*;

pub(crate) type Sent = Arc<Mutex<Vec<(u32, u64)>>>;

/// Keeps what is sent; takes nothing while it is stuck, and fails while it is told to.
struct Listener {
    sent: Sent,
    stuck: watch::Receiver<bool>,
    fails: Arc<Mutex<bool>>,
}

#[async_trait]
impl Sink for Listener {
    async fn send(&self, load: ActiveLoad) -> anyhow::Result<()> {
        let _ = self.stuck.clone().wait_for(|stuck| !stuck).await;
        anyhow::ensure!(!*self.fails.lock(), "no event plane");
        assert_eq!(load.worker_id, 7);
        let used = load.kv_used_blocks.unwrap_or(u64::MAX);
        self.sent.lock().push((load.dp_rank, used));
        Ok(())
    }
}

/// An event plane of the tests' own.
pub(crate) struct Plane {
    pub(crate) signal: LoadSignal,
    pub(crate) sent: Sent,
    stuck: watch::Sender<bool>,
    fails: Arc<Mutex<bool>>,
}

impl Plane {
    pub(crate) fn new() -> Self {
        let (sent, fails) = (Sent::default(), Arc::default());
        let (stuck, is_stuck) = watch::channel(false);
        let listener = Listener {
            sent: Arc::clone(&sent),
            stuck: is_stuck,
            fails: Arc::clone(&fails),
        };
        Self {
            signal: LoadSignal::to(listener, 7),
            sent,
            stuck,
            fails,
        }
    }

    fn take(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut *self.sent.lock())
    }
}

#[tokio::test(start_paused = true)]
async fn section_9_a_flood_without_a_pause_is_sent_now_and_then_and_its_latest_value_in_the_end() {
    let plane = Plane::new();
    for used in 1..=10_000 {
        plane.signal.set(0, used);
        if used % 10 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    let during = plane.take();
    assert!((50..=101).contains(&during.len()), "{}", during.len());
    assert!(during.is_sorted());
    sleep(PACE * 2).await;
    let all = [during, plane.take()].concat();
    assert_eq!(all.last(), Some(&(0, 10_000)));
}

#[tokio::test(start_paused = true)]
async fn section_9_each_rank_has_a_value_of_its_own_and_a_change_alone_is_sent() {
    let plane = Plane::new();
    plane.signal.set(0, 5);
    plane.signal.set(3, 6);
    sleep(PACE * 2).await;
    assert_eq!(plane.take(), [(0, 5), (3, 6)]);
    plane.signal.set(0, 5);
    plane.signal.set(3, 0);
    sleep(PACE * 2).await;
    assert_eq!(plane.take(), [(3, 0)]);
}

#[tokio::test(start_paused = true)]
async fn section_9_a_value_is_sent_again_for_those_who_come_later() {
    let plane = Plane::new();
    plane.signal.set(0, 5);
    plane.signal.set(1, 1);
    sleep(PACE * 2).await;
    plane.take();
    // Also beside a rank that changes all the time.
    for used in 0..500 {
        plane.signal.set(0, used);
        sleep(REPEAT / 100).await;
    }
    let again = plane.take().iter().filter(|sent| **sent == (1, 1)).count();
    assert!((4..=6).contains(&again), "{again}");
}

#[tokio::test(start_paused = true)]
async fn section_9_an_event_plane_that_takes_nothing_holds_up_nobody_and_gets_the_latest() {
    let plane = Plane::new();
    plane.stuck.send_replace(true);
    for used in 1..=100_000 {
        plane.signal.set(0, used);
        if used == 1 {
            sleep(PACE * 2).await;
        }
    }
    plane.stuck.send_replace(false);
    sleep(PACE * 2).await;
    assert_eq!(plane.take(), [(0, 1), (0, 100_000)]);
}

#[tokio::test(start_paused = true)]
async fn section_9_what_failed_is_sent_later() {
    let plane = Plane::new();
    *plane.fails.lock() = true;
    plane.signal.set(0, 9);
    sleep(REPEAT * 2).await;
    *plane.fails.lock() = false;
    sleep(REPEAT).await;
    assert!(plane.take().contains(&(0, 9)));
}

#[tokio::test(start_paused = true)]
async fn section_5_the_last_value_goes_out_and_nothing_after_it() {
    let plane = Plane::new();
    plane.signal.set(0, 1);
    sleep(PACE * 2).await;
    plane.signal.set(0, 2);
    plane.signal.set(0, 0);
    plane.signal.close().await;
    assert_eq!(plane.take(), [(0, 1), (0, 0)]);
    plane.signal.set(0, 3);
    plane.signal.close().await;
    sleep(REPEAT * 2).await;
    assert_eq!(plane.take(), []);
}

#[tokio::test(start_paused = true)]
async fn section_5_an_event_plane_that_takes_nothing_does_not_hold_up_the_end() {
    let plane = Plane::new();
    plane.stuck.send_replace(true);
    plane.signal.set(0, 1);
    sleep(PACE * 2).await;
    plane.signal.close().await;
    plane.stuck.send_replace(false);
    sleep(REPEAT).await;
    assert_eq!(plane.take(), []);
}
