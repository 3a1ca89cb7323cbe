//! Connecting in simulated time, contract sections 4.3 and 12.7.

use proptest::prelude::*;

use crate::report::{Reason, Step};
use crate::testing::{Hook, Plan, Ran, Refusals, play};

/// A host that refuses so many attempts, each at once.
fn refusing(attempts: u32) -> Plan {
    Plan {
        connect: Hook::Takes(0.0),
        refusals: Refusals {
            attempts,
            worth_retrying: true,
        },
        ..Plan::default()
    }
}

/// Seconds into the run at which each attempt began.
fn attempts(ran: &Ran) -> Vec<f64> {
    let events = ran.events.iter().filter(|event| event.what == "connect");
    events.map(|event| event.at.as_secs_f64()).collect()
}

#[test]
fn section_12_7_connecting_is_tried_again_after_pauses_that_grow() {
    let ran = play(&refusing(8));
    let found = attempts(&ran);
    let wanted = [0.0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 15.65];
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 0.02, "{found} for {wanted}");
    }
    assert_eq!(ran.success().reason, Reason::Asked);
    assert_eq!(ran.count("start"), 1);
}

#[test]
fn section_12_7_each_failed_attempt_is_told_with_the_time_to_the_next() {
    let ran = play(&refusing(2));
    assert_eq!(
        ran.calls()[..5],
        [
            "connect",
            "attempt 1 failed: connect failed; next in 100ms",
            "connect",
            "attempt 2 failed: connect failed; next in 200ms",
            "connect",
        ]
    );
}

#[test]
fn section_12_7_the_limit_ends_attempts_that_fail() {
    let ran = play(&Plan {
        connect_limit: 2.0,
        ..refusing(u32::MAX)
    });
    let found = attempts(&ran);
    let last = *found.last().unwrap();
    assert!(
        (1.7..2.0).contains(&last),
        "one shortly before the limit: {found:?}"
    );
    let count = found.len();
    let error = ran.error().unwrap();
    assert!(error.starts_with("connect: gave up after 1.8"), "{error}");
    assert!(
        error.ends_with(&format!(
            "{count} attempts; the last failed: connect failed"
        )),
        "{error}"
    );
    assert_eq!(ran.outcome().error.as_ref().unwrap().step, Step::Connect);
    assert_eq!(ran.report().reason, Reason::Failed);
    assert_eq!(ran.calls().last(), Some(&"state Stopped"));
    assert_eq!(ran.count("start") + ran.count("cleanup"), 0);
}

#[test]
fn section_12_7_the_limit_ends_an_attempt_that_hangs() {
    let ran = play(&Plan {
        connect: Hook::Hangs,
        connect_limit: 7.5,
        ..Plan::default()
    });
    assert_eq!(
        ran.error().unwrap(),
        "connect: gave up after 7.5s, in attempt 1, which had no answer yet; it was the first"
    );
    assert_eq!(ran.first("state Stopped").unwrap().as_secs_f64(), 7.5);

    let ran = play(&Plan {
        connect: Hook::Takes(6.0),
        connect_limit: 7.5,
        ..refusing(9)
    });
    assert_eq!(
        ran.error().unwrap(),
        "connect: gave up after 7.5s, in attempt 2, which had no answer yet; the one before \
         failed: connect failed"
    );
}

#[test]
fn section_11_what_only_the_user_can_mend_is_not_tried_again() {
    let mut plan = refusing(5);
    plan.refusals.worth_retrying = false;
    let ran = play(&plan);
    assert_eq!(attempts(&ran), [0.0]);
    assert_eq!(ran.error().unwrap(), "connect: connect failed");
}

#[test]
fn section_12_7_a_limit_of_zero_is_one_attempt_that_takes_its_time() {
    let plan = Plan {
        connect_limit: 0.0,
        ..refusing(1)
    };
    let ran = play(&plan);
    assert_eq!(attempts(&ran), [0.0]);
    assert_eq!(ran.error().unwrap(), "connect: connect failed");

    let ran = play(&Plan {
        connect: Hook::Takes(50.0),
        ..Plan {
            connect_limit: 0.0,
            ..Plan::default()
        }
    });
    assert_eq!(
        (ran.count("start"), ran.success().reason),
        (1, Reason::Asked)
    );
}

#[test]
fn section_12_7_a_signal_ends_a_pause_at_once_and_is_a_success() {
    // Between the attempts at 6.3 s and 11.3 s.
    let ran = play(&Plan {
        ask_at: 8.0,
        ..refusing(u32::MAX)
    });
    assert_eq!(ran.first("state Stopped"), ran.first("shutdown asked"));
    assert_eq!(ran.success().reason, Reason::Asked);
    assert_eq!(ran.count("start") + ran.count("cleanup"), 0);
}

#[test]
fn section_12_7_an_attempt_that_fails_because_of_the_signal_is_a_success() {
    // The point at which the first attempt is about to fail, for good.
    let mut plan = refusing(u32::MAX);
    plan.refusals.worth_retrying = false;
    plan.ask_at_point = Some(1);
    let ran = play(&plan);
    assert_eq!(ran.success().reason, Reason::Asked);
    assert_eq!(ran.count("connect"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn section_12_7_connecting_never_outlasts_its_limit(
        limit in 0.001..200.0f64,
        takes in prop_oneof![Just(0.0), 0.0..30.0f64],
        refused in prop_oneof![0..10u32, Just(u32::MAX)],
    ) {
        let ran = play(&Plan {
            connect: Hook::Takes(takes),
            connect_limit: limit,
            ask_at: 1000.0,
            ..refusing(refused)
        });
        let over = ran.first("start").or(ran.first("state Stopped")).unwrap().as_secs_f64();
        // A timer may be a millisecond late.
        prop_assert!(over <= limit + 0.002, "{} s", over);
        let tried = ran.count("connect");
        prop_assert_eq!(ran.count("start") == 1, tried > refused as usize && ran.error().is_none());
        prop_assert!(tried <= 60, "{} attempts", tried);
    }
}
