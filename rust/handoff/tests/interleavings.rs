//! Every interleaving of two threads, by loom; `make rust-test` runs it.
#![cfg(feature = "loom")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use dynamo_backend_handoff::mailbox::{Bell, Mailbox};
use dynamo_backend_handoff::notify::{Notice, Notify as Sleeper};
use dynamo_backend_handoff::queue::{self, CAPACITY, Join, Waiter};
use dynamo_backend_handoff::wakeups::Wakeups;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

struct Item(u32);

impl Join for Item {
    fn join(&mut self, next: Self) -> Result<(), Self> {
        Err(next)
    }
}

/// A task that waits to be woken.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// One that is told of room.
struct Room(Arc<AtomicBool>);

impl Waiter for Room {
    fn resume(self, _is_abandoned: bool) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_reader_sees_every_item_and_the_end_without_polling_in_between() {
    loom::model(|| {
        let (writer, mut reader) = queue::open::<Item, Room>(Waker::wake);
        let writing = thread::spawn(move || {
            for number in 0..2 {
                if let (_, Some(waker)) = writer.put(Item(number), false) {
                    waker.wake();
                }
            }
        });
        let task = Arc::new(Task(Notify::new()));
        let waker = Waker::from(task.clone());
        let mut read = Vec::new();
        loop {
            match reader.poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(Item(number))) => read.push(number),
                Poll::Ready(None) => break,
                Poll::Pending => task.0.wait(),
            }
        }
        assert_eq!(read, [0, 1]);
        writing.join().unwrap();
    });
}

#[test]
fn who_waits_for_room_is_resumed_whenever_the_reader_comes_or_goes() {
    for leaves in [false, true] {
        loom::model(move || {
            let (writer, mut reader) = queue::open::<Item, Room>(Waker::wake);
            (0..CAPACITY).for_each(|_| drop(writer.put(Item(0), false)));
            let reading = thread::spawn(move || {
                if leaves {
                    return None;
                }
                let _ = reader.poll(&mut Context::from_waker(Waker::noop()));
                Some(reader)
            });
            let resumed = Arc::new(AtomicBool::new(false));
            writer.when_room(Room(resumed.clone()));
            let kept = reading.join().unwrap();
            assert!(resumed.load(Ordering::SeqCst));
            drop(kept);
        });
    }
}

/// Counts how often it was woken.
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_wake_up_that_is_asked_for_while_the_dispatcher_goes_to_sleep_is_not_lost() {
    loom::model(|| {
        let wakeups = Arc::new(Wakeups::default());
        let readers = Arc::new(Counted(AtomicUsize::new(0)));
        let asking = thread::spawn({
            let (wakeups, readers) = (wakeups.clone(), readers.clone());
            move || (0..2).for_each(|_| wakeups.wake([Waker::from(readers.clone())]))
        });
        let dispatcher = Arc::new(Task(Notify::new()));
        let waker = Waker::from(dispatcher.clone());
        let mut dispatching = pin!(wakeups.dispatch());
        loop {
            let turn = dispatching.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(turn.is_pending());
            if readers.0.load(Ordering::SeqCst) == 2 {
                break;
            }
            dispatcher.0.wait();
        }
        asking.join().unwrap();
    });
}

/// Remembers that it was rung.
struct Rung(AtomicBool);

impl Bell for Rung {
    fn is_ours(&self) -> bool {
        true
    }

    fn ring(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn silence(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[test]
fn no_message_stays_in_a_mailbox_whose_bell_is_silent() {
    loom::model(|| {
        let mailbox = Mailbox::new(Rung(AtomicBool::new(false)));
        let sender = mailbox.sender();
        let posting = thread::spawn(move || {
            sender.post(0);
            sender.post(1);
        });
        let mut read = Vec::new();
        let turn = |read: &mut Vec<u32>| {
            mailbox.silence();
            mailbox.turn(Duration::from_secs(60), |message| read.push(message));
        };
        if mailbox.bell().0.load(Ordering::SeqCst) {
            turn(&mut read);
        }
        posting.join().unwrap();
        if mailbox.bell().0.load(Ordering::SeqCst) {
            turn(&mut read);
        }
        assert_eq!(read, [0, 1]);
    });
}

#[test]
fn what_changes_while_a_thread_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let sleeper = Arc::new(Sleeper::default());
        let changes = Arc::new(AtomicUsize::new(0));
        let changing = thread::spawn({
            let (sleeper, changes) = (sleeper.clone(), changes.clone());
            move || {
                for _ in 0..2 {
                    changes.fetch_add(1, Ordering::SeqCst);
                    sleeper.notify(Notice::Look);
                }
            }
        });
        loop {
            sleeper.take();
            if changes.load(Ordering::SeqCst) == 2 {
                break;
            }
            sleeper.wait(None);
        }
        changing.join().unwrap();
    });
}
