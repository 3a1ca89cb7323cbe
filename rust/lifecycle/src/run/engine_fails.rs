//! An engine that says by its watch that it can serve no more.

use crate::report::Reason;
use crate::stage::Stage;
use crate::testing::{Answer, Arrival, Hook, Plan, play};

/// Serving begins 4.75 s into the default plan; the watch is called 3.5 s into it.
const SERVING: f64 = 4.75;

fn fails_after(seconds: f64) -> Plan {
    Plan {
        watch: Hook::Fails(seconds),
        ..Plan::default()
    }
}

fn long_requests() -> Vec<Arrival> {
    let long = |at| Arrival { at, takes: 1000.0 };
    vec![long(0.0), long(1.0)]
}

#[test]
fn an_engine_that_fails_while_it_serves_cuts_its_requests_and_fails_the_run() {
    let ran = play(&Plan {
        requests: long_requests(),
        polls_quiescence: true,
        quiescent: vec![Answer::Hangs],
        ..fails_after(11.25)
    });
    assert_eq!(
        ran.calls()[8..],
        [
            "shutdown began",
            "unregister",
            "refuse",
            "cut",
            "cleanup",
            "state Stopped",
            "release",
        ]
    );
    let report = ran.report();
    assert_eq!((report.reason, report.cut), (Reason::Failed, 2));
    assert_eq!(ran.error().unwrap(), "engine: watch failed");
    // No grace, no wait, no drain: only what unregistering and cleanup take.
    assert_eq!(ran.shutdown_took(), 0.25 + 2.0);
    assert!(report.failures.is_empty());
}

#[test]
fn requests_of_an_engine_that_failed_do_not_wait_for_a_discovery_that_hangs() {
    let ran = play(&Plan {
        requests: long_requests(),
        unregister: Hook::Hangs,
        ..fails_after(11.25)
    });
    assert_eq!(ran.since_shutdown("cut"), 1.0);
    assert_eq!(ran.failed_stages(), [Stage::Unregister]);
    assert_eq!(ran.error().unwrap(), "engine: watch failed");
}

#[test]
fn an_engine_that_fails_before_it_serves_fails_the_run_too() {
    // While it is published, and while it is registered.
    for (seconds, taken_back) in [(0.5, "withdraw"), (1.1, "unregister")] {
        let ran = play(&fails_after(seconds));
        assert_eq!(ran.count("serving") + ran.count("drain"), 0);
        assert_eq!((ran.count(taken_back), ran.count("cleanup")), (1, 1));
        assert_eq!(ran.error().unwrap(), "engine: watch failed");
    }
    // A step that hangs has its share only.
    let ran = play(&Plan {
        publish: Hook::IsDeaf,
        ..fails_after(0.5)
    });
    assert_eq!(ran.since_shutdown("withdraw"), 12.5);
    assert_eq!(ran.error().unwrap(), "engine: watch failed");
}

#[test]
fn an_engine_that_fails_after_a_signal_is_not_waited_for_and_the_run_succeeds() {
    // In the grace, and in the wait.
    for after in [2.0, 10.0] {
        let ask_at = SERVING + 5.0;
        let ran = play(&Plan {
            requests: long_requests(),
            ask_at,
            ..fails_after(ask_at + after - 3.5)
        });
        assert_eq!(ran.since_shutdown("cut"), after);
        let report = ran.success();
        assert_eq!((report.reason, report.cut), (Reason::Asked, 2));
        let told = [(Stage::Wait, "engine: watch failed".to_owned())];
        assert_eq!(report.failures, told);
        assert_eq!(ran.count("drain"), 0);
    }
}

#[test]
fn a_watch_that_returns_says_nothing() {
    let ran = play(&Plan {
        watch: Hook::Takes(1.0),
        ..Plan::default()
    });
    assert_eq!(ran.success().reason, Reason::Asked);
    assert_eq!(ran.count("drain"), 1);
}

#[test]
fn an_engine_that_fails_once_it_drains_is_drained_on() {
    let ran = play(&Plan {
        drain: Hook::Takes(5.0),
        requests: Vec::new(),
        ask_at: 10.0,
        ..fails_after(10.0 + 0.25 + 5.0 + 1.0 - 3.5)
    });
    assert_eq!(ran.success().failures, []);
    assert_eq!(ran.since_shutdown("cleanup"), 0.25 + 5.0 + 5.0);
}

#[test]
fn a_panic_of_a_step_is_its_error_and_the_engine_is_cleaned_up() {
    type Panics = fn(&mut Plan);
    let rows: [(Panics, &str); 4] = [
        (
            |p| p.connect = Hook::Panics(0.1),
            "connect: connecting panicked: no room",
        ),
        (
            |p| p.publish = Hook::Panics(0.1),
            "publishing panicked: no room",
        ),
        (
            |p| p.serve = Hook::Panics(0.1),
            "serve: serving panicked: no room",
        ),
        (
            |p| p.ended = Hook::Panics(0.1),
            "serve: serving panicked: no room",
        ),
    ];
    for (panics, message) in rows {
        let mut plan = Plan::default();
        panics(&mut plan);
        let ran = play(&plan);
        assert_eq!(ran.error().unwrap(), message);
        assert_eq!(ran.count("cleanup"), ran.count("start"), "{message}");
        assert_eq!(ran.count("release"), ran.count("publish"), "{message}");
    }
}

#[test]
fn a_panic_of_a_stage_is_in_the_report_and_the_next_one_runs() {
    let ran = play(&Plan {
        unregister: Hook::Panics(0.1),
        drain: Hook::Panics(0.1),
        release: Hook::Panics(0.1),
        ..Plan::default()
    });
    assert_eq!(
        ran.success().failures,
        [
            (Stage::Unregister, "unregister panicked: no room".to_owned()),
            (Stage::Drain, "drain panicked: no room".to_owned()),
            (Stage::Release, "release panicked: no room".to_owned()),
        ]
    );
    assert_eq!(ran.count("cleanup"), 1);
}
