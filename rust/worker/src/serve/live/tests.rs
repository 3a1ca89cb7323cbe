//! A stream beside what takes it away.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::channel::mpsc::unbounded;
use futures::stream::poll_fn;

use super::*;
use crate::admission::Admission;

/// A request in flight.
fn live(admission: &Admission) -> Live {
    Live::new(admission.enter().unwrap())
}

#[tokio::test]
async fn a_stream_that_comes_too_late_is_dropped() {
    let admission = Admission::default();
    let live = live(&admission);
    live.give_up();
    let (chunks, of_engine) = unbounded::<Result<LLMEngineOutput, DynamoError>>();
    assert!(!live.open(Box::pin(of_engine)));
    assert!(chunks.is_closed());
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn what_is_read_may_ask_whether_it_was_cut() {
    let (told, polled) = mpsc::channel();
    thread::spawn(move || {
        let live = live(&Admission::default());
        // As a request does whose turn comes when nobody wants it any more.
        let within = live.clone();
        let stream = poll_fn(move |_| match within.begin() && within.was_cut() {
            true => Poll::Pending,
            false => Poll::Ready(None),
        });
        live.open(Box::pin(stream));
        let polled = live.poll("told", &mut Context::from_waker(Waker::noop()));
        told.send(polled.is_ready()).unwrap();
    });
    // It would wait for itself.
    assert_eq!(polled.recv_timeout(Duration::from_secs(60)), Ok(true));
}
