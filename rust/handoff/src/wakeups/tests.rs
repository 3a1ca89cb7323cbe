//! Who is woken when, in simulated time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use tokio::task::yield_now;
use tokio::time::advance;

use super::*;

const SOON: Duration = Duration::from_micros(10);

#[derive(Default)]
struct Reader(AtomicUsize);

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Process {
    wakeups: Arc<Wakeups>,
    reader: Arc<Reader>,
}

impl Process {
    /// One whose dispatcher sleeps.
    async fn new() -> Self {
        let wakeups = Arc::new(Wakeups::new());
        let dispatching = wakeups.clone();
        tokio::spawn(async move { dispatching.dispatch().await });
        let process = Self {
            wakeups,
            reader: Arc::default(),
        };
        process.woken().await;
        process
    }

    fn waker(&self) -> Waker {
        self.reader.clone().into()
    }

    /// How many were woken when all that can happen now has happened.
    async fn woken(&self) -> usize {
        for _ in 0..10 {
            yield_now().await;
        }
        self.reader.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_woken_at_once_is() {
    let process = Process::new().await;
    process.wakeups.wake([process.waker(), process.waker()]);
    assert_eq!(process.woken().await, 2);
    process.wakeups.wake(None);
    assert_eq!(process.woken().await, 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_burst_the_first_two_wake_and_the_rest_waits_for_its_end() {
    let process = Process::new().await;
    assert!(!process.wakeups.wake_in_burst(process.waker()));
    assert_eq!(process.woken().await, 1);
    advance(SOON).await;
    assert!(process.wakeups.wake_in_burst(process.waker()));
    assert_eq!(process.woken().await, 2);
    for _ in 0..5 {
        advance(SOON).await;
        assert!(process.wakeups.wake_in_burst(process.waker()));
    }
    assert_eq!(process.woken().await, 2);
    process.wakeups.flush();
    assert_eq!(process.woken().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_burst_whose_end_does_not_come_waits_for_a_moment() {
    let process = Process::new().await;
    for _ in 0..2 {
        process.wakeups.wake_in_burst(process.waker());
        process.woken().await;
        advance(SOON).await;
    }
    process.wakeups.wake_in_burst(process.waker());
    assert_eq!(process.woken().await, 2);
    // As a generator does that blocks the loop.
    tokio::time::sleep(2 * MOMENT).await;
    assert_eq!(process.woken().await, 3);
    // After a moment in which nothing came it is over, whatever the loop does.
    tokio::time::sleep(3 * MOMENT).await;
    assert!(!process.wakeups.wake_in_burst(process.waker()));
    assert_eq!(process.woken().await, 4);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_come_far_apart_are_no_burst() {
    let process = Process::new().await;
    for number in 1..=5 {
        assert!(!process.wakeups.wake_in_burst(process.waker()));
        assert_eq!(process.woken().await, number);
        advance(GAP).await;
    }
}
