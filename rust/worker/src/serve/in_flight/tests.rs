//! A stream beside what takes it away.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::channel::mpsc::unbounded;
use futures::stream::poll_fn;

use super::*;
use crate::admission::Admission;
use crate::error::kind;

fn in_flight(admission: &Admission) -> InFlight {
    InFlight::new(admission.enter().unwrap())
}

#[test]
fn a_stream_that_comes_too_late_is_dropped_and_the_request_says_why() {
    for (end, why) in [
        (Request::give_up as fn(&Request), BackendError::Cancelled),
        (Request::cut, BackendError::EngineShutdown),
    ] {
        let admission = Admission::default();
        let request = in_flight(&admission);
        end(&request);
        let (chunks, of_engine) = unbounded::<Result<LLMEngineOutput, DynamoError>>();
        let error = request.open(Box::pin(of_engine)).unwrap_err();
        assert_eq!(kind(&error), why);
        assert!(chunks.is_closed());
        assert_eq!(admission.in_flight(), 0);
    }
}

#[test]
fn who_gives_a_cut_request_up_does_not_make_it_a_cancelled_one() {
    let request = in_flight(&Admission::default());
    request.cut();
    request.give_up();
    request.finish(false);
    assert_eq!(kind(&request.why_over()), BackendError::EngineShutdown);
}

#[test]
fn a_request_is_in_flight_for_as_long_as_its_owner_lives() {
    let admission = Admission::default();
    let request = in_flight(&admission);
    let shared = request.share();
    request.finish(false);
    assert_eq!(admission.in_flight(), 1);
    drop(request);
    assert_eq!((admission.in_flight(), admission.finished()), (0, 1));
    assert!(shared.is_over());
}

#[test]
fn a_request_that_finished_has_finished_when_its_owner_is_gone_too() {
    let request = in_flight(&Admission::default());
    request.open(Box::pin(poll_fn(|_| Poll::Pending))).unwrap();
    let shared = request.share();
    request.finish(false);
    drop(request);
    // Its watcher asks this before it tells the engine of a stop.
    assert!(shared.is_finished());
}

#[test]
fn a_request_is_in_flight_until_the_engines_stream_is_gone_whoever_ends_it_meanwhile() {
    struct Slow(Admission, mpsc::Sender<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.1.send(()).unwrap();
            thread::sleep(Duration::from_millis(50));
            assert_eq!(self.0.in_flight(), 1);
        }
    }
    let admission = Admission::default();
    let request = in_flight(&admission);
    let (told, dropping) = mpsc::channel();
    let slow = Slow(admission.clone(), told);
    let stream = poll_fn(move |_| {
        let _ = &slow;
        Poll::Pending
    });
    request.open(Box::pin(stream)).unwrap();
    let shared = request.share();
    let cutting = thread::spawn(move || shared.cut());
    dropping.recv().unwrap();
    drop(request);
    cutting.join().unwrap();
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn a_request_whose_turn_does_not_come_is_none_of_those_that_finished() {
    let admission = Admission::default();
    let request = in_flight(&admission);
    request.refuse();
    assert!(!request.begin());
    drop(request);
    assert_eq!((admission.in_flight(), admission.finished()), (0, 0));
}

#[test]
fn a_turn_may_come_while_the_stream_is_read() {
    let (told, polled) = mpsc::channel();
    thread::spawn(move || {
        let request = in_flight(&Admission::default());
        let within = request.share();
        let stream = poll_fn(move |_| match within.begin() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        });
        request.open(Box::pin(stream)).unwrap();
        let polled = request.poll("told", &mut Context::from_waker(Waker::noop()));
        told.send(polled.is_ready()).unwrap();
    });
    // It would wait for itself.
    assert_eq!(polled.recv_timeout(Duration::from_secs(60)), Ok(true));
}
