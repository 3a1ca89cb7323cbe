//! Wakers cross: what is woken on one side is polled on the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use dynamo_engine_abi::crossing::{KeptWaker, lend_waker};
use dynamo_engine_abi::{Text, Waker as Raw, WakerTable};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker, and what it wakes.
fn waker() -> (Waker, Arc<Woken>) {
    let woken = Arc::<Woken>::default();
    (Waker::from(woken.clone()), woken)
}

#[test]
fn a_waker_wakes_across_also_when_its_poll_is_over() {
    let (waker, woken) = waker();
    let mut kept = KeptWaker::default();
    // SAFETY: what is lent lives for the call.
    let other = unsafe { kept.of(&lend_waker(&waker)) }.unwrap().clone();
    other.wake_by_ref();
    drop(waker);
    std::thread::spawn(move || other.wake()).join().unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert_eq!(Arc::strong_count(&woken), 2, "one is kept");
    drop(kept);
    assert_eq!(Arc::strong_count(&woken), 1, "none is left");
}

#[test]
fn a_task_that_polls_again_costs_no_other_clone() {
    let (waker, woken) = waker();
    let (second, other) = self::waker();
    let mut kept = KeptWaker::default();
    // SAFETY of all: what is lent lives for the call.
    let first = unsafe { kept.of(&lend_waker(&waker)) }.unwrap().clone();
    assert!(first.will_wake(unsafe { kept.of(&lend_waker(&waker.clone())) }.unwrap()));
    assert_eq!(Arc::strong_count(&woken), 3);
    assert!(!first.will_wake(unsafe { kept.of(&lend_waker(&second)) }.unwrap()));
    assert_eq!(Arc::strong_count(&other), 3);
    drop(first);
    assert_eq!(
        Arc::strong_count(&woken),
        2,
        "that of another task is let go of"
    );
}

#[test]
fn what_is_no_whole_waker_is_none() {
    let (waker, woken) = waker();
    let lent = lend_waker(&waker);
    // SAFETY: tables live as long as the process.
    let whole = unsafe { *lent.table };
    let wrong = |change: fn(&mut WakerTable)| {
        let mut table = whole;
        change(&mut table);
        let raw = Raw {
            table: &table,
            ..lent
        };
        // SAFETY: what is lent lives for the call.
        unsafe { KeptWaker::default().of(&raw).is_none() }
    };
    assert!(wrong(|table| table.header.size = 8));
    assert!(wrong(|table| table.clone = None));
    assert!(wrong(|table| table.wake = None));
    assert!(wrong(|table| table.release = None));
    assert!(!wrong(|table| table.will_wake = None));
    let nowhere = Raw {
        table: std::ptr::null(),
        ..lent
    };
    // SAFETY: as above.
    assert!(unsafe { KeptWaker::default().of(&nowhere).is_none() });
    assert!(unsafe { KeptWaker::default().of(std::ptr::null()).is_none() });
    assert_eq!(Arc::strong_count(&woken), 2, "none was cloned and lost");
}

#[test]
fn a_text_that_is_given_away_is_freed_by_whoever_gets_it() {
    let text = Text::give("é".to_owned());
    // SAFETY: it lives until it is freed, and is freed once.
    unsafe {
        assert_eq!(text.text.get(), Some("é".as_bytes()));
        text.release.unwrap()(text.owner);
    }
    assert!(Text::NONE.release.is_none());
    assert!(Text::NONE.text.is_none());
}
