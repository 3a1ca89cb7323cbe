//! The shutdown sequence in simulated time, contract sections 5, 12.2 and 12.12.

use proptest::prelude::*;

use super::*;
use crate::report::Reason;
use crate::testing::{Answer, Arrival, Hook, Plan, play};

/// Serving begins 4.75 s into the default plan; shutdown begins here.
const ASKED: f64 = 4.75 + 10.0;

/// A plan that is asked to stop 10 s after serving began. Unregistering takes no time, so that
/// the wait begins with the end of the grace.
fn stopped(requests: &[(f64, f64)]) -> Plan {
    Plan {
        unregister: Hook::Takes(0.0),
        drain: Hook::Takes(0.0),
        ask_at: ASKED,
        requests: requests
            .iter()
            .map(|&(at, takes)| Arrival { at, takes })
            .collect(),
        ..Plan::default()
    }
}

fn took(stage: Stage, report: &Report) -> f64 {
    report.took(stage).unwrap().as_secs_f64()
}

#[test]
fn section_5_stages_take_what_they_need() {
    let report = play(&Plan::default()).report().clone();
    let rows = [
        (Stage::Unregister, 0.25),
        (Stage::Grace, 5.0),
        (Stage::Wait, 0.0),
        (Stage::Drain, 0.5),
        (Stage::Cleanup, 2.0),
        (Stage::Release, 0.0),
    ];
    assert_eq!(report.stages.len(), rows.len(), "{:?}", report.stages);
    for ((stage, wanted), (ran, found)) in rows.iter().zip(&report.stages) {
        assert_eq!(stage, ran);
        // tokio's timer counts milliseconds.
        assert!(
            (found.as_secs_f64() - wanted).abs() < 0.01,
            "{stage}: {found:?}"
        );
    }
}

#[test]
fn section_12_2_no_request_is_cut_that_ends_in_time() {
    // In flight when asked: one ends in the grace, one in the wait.
    let ran = play(&stopped(&[(0.0, 1.0), (9.0, 3.0), (9.0, 20.0)]));
    let report = ran.report();
    assert_eq!((report.finished, report.cut), (2, 0));
    assert_eq!(ran.count("stage wait began with 1"), 1);
    assert_eq!(ran.count("cut"), 0);
    // 12.12: an operator can wait for this.
    assert_eq!(ran.count("waited: 2 finished, 0 cut"), 1);
    assert_eq!(took(Stage::Wait, report), 14.0);
}

#[test]
fn section_5_the_shares_count_from_the_asking_where_the_run_sees_it_late() {
    let wait_of = |seen_late| {
        let plan = Plan {
            seen_late,
            ..stopped(&[(9.0, 500.0)])
        };
        took(Stage::Wait, play(&plan).report())
    };
    assert_eq!(wait_of(0.0), 22.5);
    assert_eq!(wait_of(10.0), 12.5);
}

#[test]
fn section_12_2_late_arrivals_are_served_until_nothing_is_in_flight() {
    // The second arrives in the grace, the third while the second runs, the fourth after both.
    let ran = play(&stopped(&[
        (9.0, 4.0),
        (12.0, 5.0),
        (16.0, 3.0),
        (25.0, 1.0),
    ]));
    let report = ran.report();
    assert_eq!((report.finished, report.cut), (3, 0));
    assert_eq!(ran.since_shutdown("refuse"), 9.0);
    assert_eq!(took(Stage::Wait, report), 4.0);
}

#[test]
fn section_12_2_late_arrivals_are_refused_at_half_of_the_waiting_time() {
    // Without an end: one request after the other, each before its predecessor ends.
    let endless: Vec<_> = (0..100).map(|second| (f64::from(second), 1.5)).collect();
    let ran = play(&stopped(&endless));
    // Grace 5 s, waiting time 22.5 s.
    assert_eq!(ran.since_shutdown("refuse"), 5.0 + 11.25);
    let report = ran.report();
    assert_eq!(report.cut, 0);
    assert!(took(Stage::Wait, report) < 11.25 + 1.5);
}

#[test]
fn section_12_2_what_is_left_is_cut_at_the_end_of_the_share() {
    let ran = play(&stopped(&[(9.0, 3.0), (9.0, 500.0), (9.5, 500.0)]));
    let report = ran.report();
    assert_eq!((report.finished, report.cut), (1, 2));
    assert_eq!(ran.since_shutdown("cut"), 5.0 + 22.5);
    assert_eq!(report.failures, []);
    assert!(ran.since_shutdown("drain") < 5.0 + 25.0);
}

#[test]
fn section_5_a_drain_has_time_also_after_a_cut() {
    let plan = Plan {
        drain: Hook::Takes(2.0),
        ..stopped(&[(9.0, 500.0)])
    };
    let report = play(&plan).report().clone();
    assert_eq!((report.cut, report.failures), (1, vec![]));
}

#[test]
fn section_5_a_hung_drain_does_not_take_cleanups_time() {
    for requests in [vec![], vec![(9.0, 500.0)]] {
        let ran = play(&Plan {
            drain: Hook::Hangs,
            ..stopped(&requests)
        });
        assert_eq!(ran.since_shutdown("cleanup"), 5.0 + 25.0);
        assert_eq!(ran.failed_stages(), [Stage::Drain]);
        assert_eq!(ran.error(), None);
    }
}

#[test]
fn section_5_a_hung_unregister_leaves_the_requests_their_half() {
    let plan = Plan {
        unregister: Hook::Hangs,
        ..stopped(&[(9.0, 500.0)])
    };
    let ran = play(&plan);
    assert_eq!(ran.since_shutdown("stage grace began with 1"), 12.5);
    assert_eq!(ran.since_shutdown("cut"), 5.0 + 22.5);
    assert_eq!(ran.failed_stages(), [Stage::Unregister]);
}

#[test]
fn section_5_a_hung_cut_is_a_failure_and_counts_what_was_in_flight() {
    let ran = play(&Plan {
        cut: Hook::Hangs,
        ..stopped(&[(9.0, 500.0), (9.0, 500.0)])
    });
    assert_eq!(ran.report().cut, 2);
    assert_eq!(ran.failed_stages(), [Stage::Wait]);
    assert_eq!(ran.count("drain"), 1);
}

#[test]
fn section_12_3_a_cleanup_that_hangs_is_ended_by_the_deadline_alone() {
    let ran = play(&Plan {
        cleanup: Hook::Hangs,
        ..stopped(&[])
    });
    assert!(ran.outcome.is_none());
    assert_eq!(ran.since_shutdown("killed"), 35.0);
    assert_eq!(ran.count("release"), 0);
}

#[test]
fn section_5_cleanup_is_not_bounded_here() {
    let ran = play(&Plan {
        cleanup: Hook::Takes(1000.0),
        deadline_kept: false,
        ..stopped(&[])
    });
    assert_eq!(took(Stage::Cleanup, ran.report()), 1000.0);
    assert_eq!(ran.report().failures, []);
}

#[test]
fn section_5_quiescence_is_polled_every_half_second_after_drain_until_true() {
    let plan = Plan {
        polls_quiescence: true,
        quiescent: vec![
            Answer::Says(Some(false)),
            Answer::Says(None),
            Answer::Fails,
            Answer::Says(Some(true)),
        ],
        ..stopped(&[])
    };
    let ran = play(&plan);
    let polls: Vec<f64> = ran
        .events
        .iter()
        .filter(|event| event.what == "is_quiescent")
        .map(|event| (event.at - ran.first("drain").unwrap()).as_secs_f64())
        .collect();
    assert_eq!(polls.len(), 4);
    for (found, wanted) in polls.iter().zip([0.0, 0.5, 1.0, 1.5]) {
        assert!((found - wanted).abs() < 0.01, "{polls:?}");
    }
    assert_eq!(ran.report().failures, []);
}

#[test]
fn section_5_quiescence_is_polled_on_prefill_workers_only() {
    assert_eq!(play(&stopped(&[])).count("is_quiescent"), 0);
}

#[test]
fn section_5_polling_ends_with_its_budget_or_the_share() {
    // answers, its own budget, seconds from the grace's end to cleanup, failures
    let rows = [
        (Answer::Says(Some(false)), 3.0, 3.0, 1),
        (Answer::Says(Some(false)), 60.0, 25.0, 1),
        (Answer::Fails, 60.0, 25.0, 1),
        (Answer::Says(None), 60.0, 25.0, 0),
        (Answer::Says(Some(false)), 0.0, 0.0, 0),
    ];
    for (answer, prefill_drain, wanted, failures) in rows {
        let plan = Plan {
            polls_quiescence: true,
            quiescent: vec![answer],
            prefill_drain,
            ..stopped(&[])
        };
        let ran = play(&plan);
        let found = ran.since_shutdown("cleanup");
        assert!(
            (found - 5.0 - wanted).abs() < 0.01,
            "{answer:?}, {prefill_drain} s: {found}"
        );
        assert_eq!(
            ran.failed_stages().len(),
            failures,
            "{answer:?}, {prefill_drain} s"
        );
    }
}

#[test]
fn section_5_a_long_start_during_shutdown_leaves_the_rest_of_the_time() {
    let plan = Plan {
        start: Hook::Takes(28.0),
        drain: Hook::Hangs,
        ask_at: 1.0,
        ..Plan::default()
    };
    let ran = play(&plan);
    assert_eq!(ran.since_shutdown("drain"), 27.5);
    assert_eq!(ran.since_shutdown("cleanup"), 30.0);
}

#[test]
fn section_5_a_timeout_of_zero_still_runs_every_stage() {
    let ran = play(&Plan {
        timeout: 0,
        grace: 0.0,
        deadline_kept: false,
        ..stopped(&[(9.0, 500.0)])
    });
    assert_eq!(ran.stages(), Stage::ALL);
    assert_eq!((ran.count("drain"), ran.count("cleanup")), (1, 1));
    assert_eq!(ran.report().cut, 1);
}

#[test]
fn section_5_the_longest_settings_do_not_overflow() {
    let plan = Plan {
        timeout: u64::MAX / 2,
        prefill_drain: 86_400.0,
        ..stopped(&[(9.0, 30.0)])
    };
    assert_eq!(play(&plan).report().clone().finished, 1);
}

fn hook() -> impl Strategy<Value = Hook> {
    prop_oneof![
        (0.0..40.0f64).prop_map(Hook::Takes),
        (0.0..40.0f64).prop_map(Hook::Fails),
        Just(Hook::Hangs),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn section_5_any_shutdown_leaves_cleanup_its_share_and_counts_every_request(
        (grace, timeout) in (0.0..20.0f64, 0u64..60),
        (unregister, drain, cut) in (hook(), hook(), hook()),
        polls_quiescence in any::<bool>(),
        requests in prop::collection::vec((0.0..60.0f64, 0.0..60.0f64), 0..12),
    ) {
        let plan = Plan {
            grace, timeout, unregister, drain, cut, polls_quiescence,
            quiescent: vec![Answer::Says(Some(false))],
            deadline_kept: false,
            ..stopped(&requests)
        };
        let ran = play(&plan);
        let budget = Budget::new(&plan.settings());
        let report = ran.report();

        prop_assert_eq!(ran.stages(), Stage::ALL.to_vec());
        prop_assert_eq!(report.reason, Reason::Asked);
        // Every limit may be a timer's millisecond late: grace, unregister, wait, cut, drain, poll.
        let begins = ran.since_shutdown("cleanup");
        let latest = (budget.grace() + budget.work()).as_secs_f64() + 0.006;
        prop_assert!(begins <= latest, "cleanup begins at {}, not by {}", begins, latest);
        prop_assert!(report.cut == 0 || ran.count("cut") == 1);

        // Whoever was admitted and had not finished before, has now, or was cut.
        let serving = ran.first("serving").unwrap().as_secs_f64();
        let began = ran.first("shutdown began").unwrap().as_secs_f64();
        let refused = ran.first("refuse").unwrap().as_secs_f64();
        let owed = requests.iter().filter(|(at, takes)| {
            serving + at < refused && serving + at + takes > began
        });
        prop_assert_eq!(owed.count(), report.finished as usize + report.cut);
    }
}
