//! The engines, and the discoveries, that are disturbed.

use crate::testing::{Answer, Arrival, Hook, Plan, Refusals};

/// Each with a name that completes "an engine that …", with and without requests.
pub(super) fn all() -> Vec<(String, Plan)> {
    let requests = [(0.0, 2.0), (50.0, 60.0), (94.0, 500.0), (101.0, 3.0)];
    let requests = requests.map(|(at, takes)| Arrival { at, takes });
    let mut all = Vec::new();
    for (name, plan) in idle() {
        let busy = Plan {
            requests: requests.to_vec(),
            ..plan.clone()
        };
        all.push((name.to_owned(), plan));
        all.push((format!("{name}, with requests"), busy));
    }
    all
}

fn idle() -> Vec<(&'static str, Plan)> {
    let plan = Plan::default;
    let prefill = |answers: &[Answer]| Plan {
        polls_quiescence: true,
        quiescent: answers.to_vec(),
        ..plan()
    };
    let busy = Answer::Says(Some(false));
    vec![
        ("succeeds", plan()),
        ("fails at start", with(|p| p.start = Hook::Fails(3.0))),
        ("fails at cleanup", with(|p| p.cleanup = Hook::Fails(2.0))),
        ("fails at drain", with(|p| p.drain = Hook::Fails(0.5))),
        ("hangs in start", with(|p| p.start = Hook::Hangs)),
        ("hangs in drain", with(|p| p.drain = Hook::Hangs)),
        ("hangs in is_quiescent", prefill(&[Answer::Hangs])),
        ("hangs in cleanup", with(|p| p.cleanup = Hook::Hangs)),
        (
            "becomes quiescent",
            prefill(&[busy, Answer::Fails, Answer::Says(Some(true))]),
        ),
        ("never becomes quiescent", prefill(&[busy])),
        ("is refused thrice", with(|p| p.refusals.attempts = 3)),
        (
            "is refused for good",
            with(|p| {
                p.refusals = Refusals {
                    attempts: 1,
                    worth_retrying: false,
                }
            }),
        ),
        ("never connects", with(|p| p.connect = Hook::Hangs)),
        ("fetches without end", with(|p| p.publish = Hook::Hangs)),
        ("publishes without end", with(|p| p.publish = Hook::IsDeaf)),
        ("fails to publish", with(|p| p.publish = Hook::Fails(1.0))),
        (
            "is registered without end",
            with(|p| p.serve = Hook::IsDeaf),
        ),
        ("is never callable", with(|p| p.serve = Hook::Hangs)),
        ("fails to serve", with(|p| p.serve = Hook::Fails(0.1))),
        (
            "stops serving by itself",
            with(|p| p.ended = Hook::Takes(9.0)),
        ),
        ("fails by its watch", with(|p| p.watch = Hook::Fails(9.0))),
        (
            "panics where it connects",
            with(|p| p.connect = Hook::Panics(0.5)),
        ),
        (
            "panics where it publishes",
            with(|p| {
                p.publish = Hook::Panics(1.0);
                p.withdraw = Hook::Panics(0.25);
                p.release = Hook::Panics(0.0);
            }),
        ),
        (
            "panics where it serves",
            with(|p| {
                p.serve = Hook::Panics(0.1);
                p.unregister = Hook::Panics(0.25);
                p.release = Hook::Panics(0.0);
            }),
        ),
        (
            "panics while it serves",
            with(|p| p.ended = Hook::Panics(9.0)),
        ),
        (
            "fails wherever it may in shutdown",
            with(|p| {
                p.unregister = Hook::Fails(0.25);
                p.withdraw = Hook::Fails(0.25);
                p.cut = Hook::Fails(0.0);
                p.drain = Hook::Fails(0.5);
                p.cleanup = Hook::Fails(2.0);
            }),
        ),
        (
            "hangs wherever it may in shutdown",
            with(|p| {
                p.unregister = Hook::Hangs;
                p.withdraw = Hook::Hangs;
                p.cut = Hook::Hangs;
                p.drain = Hook::Hangs;
                p.cleanup = Hook::Takes(5.0);
            }),
        ),
        (
            "hangs in all of shutdown",
            with(|p| {
                p.polls_quiescence = true;
                p.quiescent = vec![Answer::Hangs];
                p.publish = Hook::IsDeaf;
                p.unregister = Hook::Hangs;
                p.withdraw = Hook::Hangs;
                p.cut = Hook::Hangs;
                p.drain = Hook::Hangs;
                p.cleanup = Hook::Hangs;
            }),
        ),
    ]
}

fn with(change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = Plan::default();
    change(&mut plan);
    plan
}
