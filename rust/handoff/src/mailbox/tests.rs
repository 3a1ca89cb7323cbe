use std::sync::atomic::AtomicUsize;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Counts its rings.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Bell for Counted {
    fn is_ours(&self) -> bool {
        true
    }

    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn silence(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

fn rings(mailbox: &Mailbox<u32, Counted>) -> usize {
    mailbox.bell().0.load(Ordering::Relaxed)
}

fn turn(mailbox: &Mailbox<u32, Counted>, limit: Duration) -> Vec<u32> {
    let mut read = Vec::new();
    mailbox.silence();
    mailbox.turn(limit, |message| read.push(message));
    read
}

#[test]
fn many_messages_are_one_ring_and_come_in_order() {
    let mailbox = Mailbox::new(Counted::default());
    let sender = mailbox.sender();
    (0..5).for_each(|message| sender.post(message));
    assert_eq!(rings(&mailbox), 1);
    assert_eq!(turn(&mailbox, LONG), [0, 1, 2, 3, 4]);
    assert_eq!(rings(&mailbox), 0);
    sender.post(5);
    assert_eq!(rings(&mailbox), 1);
    assert_eq!(turn(&mailbox, LONG), [5]);
}

#[test]
fn a_turn_that_ends_early_rings_for_the_rest_and_loses_no_order() {
    let mailbox = Mailbox::new(Counted::default());
    let sender = mailbox.sender();
    (0..3).for_each(|message| sender.post(message));
    let mut read = Vec::new();
    while read.len() < 5 {
        let these = turn(&mailbox, Duration::ZERO);
        assert_eq!(these.len(), 1);
        if read.is_empty() {
            // While something is left.
            sender.post(3);
            sender.post(4);
        }
        read.extend(these);
        assert_eq!(rings(&mailbox) > 0, read.len() < 5, "{read:?}");
    }
    assert_eq!(read, [0, 1, 2, 3, 4]);
}

#[test]
fn a_message_may_begin_a_turn_of_its_own() {
    let mailbox = Mailbox::new(Counted::default());
    let sender = mailbox.sender();
    (0..3).for_each(|message| sender.post(message));
    let mut read = Vec::new();
    mailbox.turn(LONG, |message| {
        if message == 0 {
            sender.post(3);
            mailbox.turn(Duration::ZERO, |inner| assert_eq!(inner, 3));
        }
        read.push(message);
    });
    assert_eq!(read, [0, 1, 2]);
}

#[tokio::test]
async fn what_is_posted_to_a_mailbox_that_is_gone_is_dropped() {
    let mailbox = Mailbox::new(Counted::default());
    let sender = mailbox.sender();
    drop(mailbox);
    sender.gone().await;
    sender.post(1);
}
