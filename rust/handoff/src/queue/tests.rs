use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Wake;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::chunk::{Chunk, Tokens};

type Item = Result<Chunk<&'static str, (), ()>, &'static str>;

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tells a channel with what it was resumed.
struct Told(mpsc::Sender<bool>);

impl Waiter for Told {
    fn resume(self, is_abandoned: bool) {
        self.0.send(is_abandoned).unwrap();
    }
}

fn token(id: u32) -> Item {
    Ok(Chunk::of_tokens(Tokens::One(id)))
}

fn last() -> Item {
    Ok(Chunk {
        finish_reason: Some("stop"),
        ..Chunk::default()
    })
}

fn queue() -> (Writer<Item, Told>, Reader<Item, Told>) {
    open(Waker::wake)
}

fn read(reader: &mut Reader<Item, Told>, woken: &Arc<Woken>) -> Poll<Option<Item>> {
    let waker = Waker::from(woken.clone());
    reader.poll(&mut Context::from_waker(&waker))
}

/// All that can be read now: its tokens, and whether the stream has ended.
fn read_all(reader: &mut Reader<Item, Told>) -> (Vec<u32>, bool) {
    let (woken, mut tokens) = (Arc::default(), Vec::new());
    loop {
        match read(reader, &woken) {
            Poll::Ready(Some(Ok(chunk))) => tokens.extend(chunk.token_ids.into_vec()),
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => return (tokens, true),
            Poll::Pending => return (tokens, false),
        }
    }
}

#[test]
fn a_reader_is_to_be_woken_only_when_it_found_nothing() {
    let (writer, mut reader) = queue();
    assert!(writer.put(token(1), false).1.is_none());
    let woken = Arc::<Woken>::default();
    assert!(read(&mut reader, &woken).is_ready());
    assert!(read(&mut reader, &woken).is_pending());
    let (_, waker) = writer.put(token(2), false);
    waker.unwrap().wake();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(writer.put(token(3), false).1.is_none());
}

#[test]
fn a_reader_that_is_gone_keeps_no_task_and_is_woken_no_more() {
    let (writer, mut reader) = queue();
    let woken = Arc::<Woken>::default();
    assert!(read(&mut reader, &woken).is_pending());
    assert_eq!(Arc::strong_count(&woken), 2);
    drop(reader);
    assert_eq!(Arc::strong_count(&woken), 1);
    drop(writer);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
}

#[test]
fn the_end_wakes_the_reader_behind_what_was_put() {
    for by_drop in [true, false] {
        let (writer, mut reader) = queue();
        let woken = Arc::<Woken>::default();
        assert!(read(&mut reader, &woken).is_pending());
        match by_drop {
            true => drop(writer.clone()),
            false => writer.finish(),
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), usize::from(!by_drop));
        drop(writer);
        assert!(matches!(read(&mut reader, &woken), Poll::Ready(None)));
        assert!(woken.0.load(Ordering::Relaxed) > 0);
    }
}

#[test]
fn nothing_follows_the_last_item() {
    let (writer, mut reader) = queue();
    writer.put(token(1), false);
    assert_eq!(writer.put(last(), true).0, Put::Taken);
    assert_eq!(writer.put(token(2), false).0, Put::Refused);
    assert_eq!(read_all(&mut reader), (vec![1], true));
}

#[test]
fn a_full_queue_resumes_its_waiter_when_it_is_read_or_left() {
    for is_abandoned in [false, true] {
        let (writer, mut reader) = queue();
        for id in 1..u32::try_from(CAPACITY).unwrap() {
            assert_eq!(writer.put(token(id), false).0, Put::Taken);
        }
        assert_eq!(writer.put(token(0), false).0, Put::Full);
        assert_eq!(writer.unread(), Some(CAPACITY));
        let (told, resumed) = mpsc::channel();
        writer.when_room(Told(told));
        assert!(resumed.try_recv().is_err());
        match is_abandoned {
            true => drop(reader),
            false => assert_eq!(read_all(&mut reader).0.len(), CAPACITY),
        }
        assert_eq!(resumed.try_recv(), Ok(is_abandoned));
        assert_eq!(writer.unread(), (!is_abandoned).then_some(0));
    }
}

#[test]
fn a_thread_waits_for_room_and_is_told_when_nobody_reads() {
    for is_abandoned in [false, true] {
        let (writer, mut reader) = queue();
        (0..CAPACITY).for_each(|_| drop(writer.put(token(7), false)));
        let waits = thread::spawn(move || writer.wait_for_room());
        thread::sleep(Duration::from_millis(20));
        match is_abandoned {
            true => drop(reader),
            false => assert!(read(&mut reader, &Arc::default()).is_ready()),
        }
        assert_eq!(waits.join().unwrap(), !is_abandoned);
    }
}

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Step {
    Put(u32, bool),
    Fail,
    Read,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u32>(), any::<bool>()).prop_map(|(id, alone)| Step::Put(id, alone)),
        1 => Just(Step::Fail),
        3 => Just(Step::Read),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn every_token_comes_once_in_order_and_who_is_full_is_told(steps in steps()) {
        let (writer, mut reader) = queue();
        let (mut put, mut got, mut unread) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            let (item, is_token) = match step {
                Step::Read => {
                    got.extend(read_all(&mut reader).0);
                    unread = 0;
                    continue;
                }
                Step::Fail => (Err("no"), false),
                Step::Put(id, alone) => {
                    put.push(id);
                    let mut chunk = Chunk::of_tokens(Tokens::One(id));
                    chunk.index = alone.then_some(0);
                    (Ok(chunk), true)
                }
            };
            unread += 1;
            let (answer, _) = writer.put(item, false);
            prop_assert_eq!(answer == Put::Full, unread >= CAPACITY, "{} {}", is_token, unread);
        }
        drop(writer);
        let (rest, ended) = read_all(&mut reader);
        got.extend(rest);
        prop_assert!(ended);
        prop_assert_eq!(got, put);
    }
}
