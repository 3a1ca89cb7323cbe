//! The steps of a run, contract sections 4, 12.7 and 12.14.

use super::*;
use crate::stage::Stage;
use crate::testing::{Answer, FakeHost, Hook, Plan, play};

const WHOLE_SEQUENCE: [Stage; 6] = Stage::ALL;

#[test]
fn section_4_a_run_is_these_calls_in_this_order() {
    let ran = play(&Plan::default());
    assert_eq!(
        ran.calls(),
        [
            "connect",
            "start",
            "state Running",
            "started in 3s",
            "publish",
            "serve",
            "serving",
            "ended",
            "shutdown began",
            "unregister",
            "refuse",
            "drain",
            "cleanup",
            "state Stopped",
            "release",
        ]
    );
    assert_eq!(ran.stages(), WHOLE_SEQUENCE);
    assert_eq!(ran.report().reason, Reason::Asked);
    assert_eq!(ran.error(), None);
}

#[test]
fn section_4_step_3_a_failed_connect_is_the_runs_error_and_nothing_started() {
    let ran = play(&Plan {
        connect: Hook::Fails(1.0),
        connect_limit: 0.0,
        ..Plan::default()
    });
    assert_eq!(ran.calls(), ["connect", "shutdown began", "state Stopped"]);
    assert_eq!(ran.report().reason, Reason::Failed);
    assert_eq!(ran.error().unwrap(), "connect: connect failed");
}

#[test]
fn section_4_step_4_shutdown_before_the_run_connects_nothing() {
    let ran = play(&Plan {
        ask_at: 0.0,
        connect: Hook::Hangs,
        ..Plan::default()
    });
    assert_eq!(ran.calls().last(), Some(&"state Stopped"));
    assert_eq!(ran.count("start") + ran.count("cleanup"), 0);
    assert_eq!(ran.success().reason, Reason::Asked);
}

#[test]
fn section_12_7_a_signal_interrupts_connecting() {
    let ran = play(&Plan {
        connect: Hook::Hangs,
        ask_at: 4.0,
        ..Plan::default()
    });
    assert_eq!(ran.calls(), ["connect", "shutdown began", "state Stopped"]);
    assert_eq!(ran.first("state Stopped"), ran.first("shutdown asked"));
    assert_eq!(ran.error(), None);
}

#[test]
fn section_4_step_5_a_failed_start_gets_cleanup_alone_and_keeps_its_error() {
    for cleanup in [Hook::Takes(1.0), Hook::Fails(1.0)] {
        let ran = play(&Plan {
            start: Hook::Fails(1.0),
            cleanup,
            ..Plan::default()
        });
        assert_eq!(
            ran.calls(),
            [
                "connect",
                "start",
                "state StartFailed",
                "shutdown began",
                "cleanup",
                "state Stopped",
            ]
        );
        assert_eq!(ran.stages(), [Stage::Cleanup]);
        assert_eq!(ran.report().reason, Reason::Failed);
        let error = ran.outcome().error.as_ref().unwrap();
        assert_eq!(
            (error.step, error.error.as_str()),
            (Step::Start, "start failed")
        );
    }
}

#[test]
fn section_4_step_5_a_signal_during_start_lets_it_finish_then_drains_and_cleans_up() {
    let ran = play(&Plan {
        start: Hook::Takes(8.0),
        ask_at: 2.0,
        ..Plan::default()
    });
    assert_eq!(
        ran.calls(),
        [
            "connect",
            "start",
            "shutdown began",
            "state Running",
            "started in 8s",
            "drain",
            "cleanup",
            "state Stopped",
        ]
    );
    assert_eq!(
        ran.first("shutdown began"),
        ran.first("shutdown asked"),
        "the deadline runs"
    );
    assert_eq!(ran.success().reason, Reason::Asked);
}

#[test]
fn section_4_step_5_start_failing_during_a_shutdown_is_the_runs_error() {
    let ran = play(&Plan {
        start: Hook::Fails(8.0),
        ask_at: 2.0,
        ..Plan::default()
    });
    assert_eq!(ran.stages(), [Stage::Cleanup]);
    assert_eq!(ran.outcome().error.as_ref().unwrap().step, Step::Start);
}

#[test]
fn section_4_step_7_a_signal_while_publishing_withdraws_drains_and_cleans_up() {
    let ran = play(&Plan {
        publish: Hook::Hangs,
        ask_at: 6.0,
        ..Plan::default()
    });
    assert_eq!(
        ran.calls()[4..],
        [
            "publish",
            "shutdown began",
            "withdraw",
            "drain",
            "cleanup",
            "state Stopped",
            "release",
        ]
    );
    assert_eq!(ran.first("withdraw"), ran.first("shutdown asked"));
    assert_eq!(ran.success().reason, Reason::Asked);
}

#[test]
fn section_2_a_step_before_serving_that_hangs_leaves_the_engine_its_cleanup() {
    // Half of the 25 s before cleanup, then it is dropped.
    let publishing = Plan {
        publish: Hook::IsDeaf,
        ask_at: 4.0,
        ..Plan::default()
    };
    let ran = play(&publishing);
    assert_eq!(ran.since_shutdown("withdraw"), 12.5);
    assert_eq!((ran.count("drain"), ran.count("cleanup")), (1, 1));
    let message = "publishing did not end within 12.5s and was dropped";
    let failures = [(Stage::Unregister, message.to_owned())];
    assert_eq!(ran.success().failures, failures);

    let serving = Plan {
        serve: Hook::IsDeaf,
        ask_at: 4.6,
        ..Plan::default()
    };
    let ran = play(&serving);
    assert_eq!(ran.since_shutdown("unregister"), 12.5);
    assert_eq!(ran.stages(), WHOLE_SEQUENCE);
    assert_eq!(ran.failed_stages(), [Stage::Unregister]);
    assert_eq!(ran.success().reason, Reason::Asked);
}

#[test]
fn section_12_14_nobody_waits_for_an_instance_to_be_callable_that_is_to_leave() {
    let waiting = Plan {
        serve: Hook::Hangs,
        ..Plan::default()
    };
    let asked = play(&Plan {
        ask_at: 4.6,
        ..waiting.clone()
    });
    let failed = play(&Plan {
        watch: Hook::Fails(1.1),
        ..waiting
    });
    assert_eq!(asked.success().failures, []);
    assert_eq!(failed.error().unwrap(), "engine: watch failed");
    for ran in [asked, failed] {
        assert_eq!(ran.since_shutdown("unregister"), 0.0);
        assert_eq!(ran.count("serving"), 0);
    }
}

#[test]
fn section_4_step_10_serving_is_not_told_once_shutdown_was_asked_for() {
    let ran = play(&Plan {
        ask_at: 4.6,
        ..Plan::default()
    });
    assert_eq!(ran.count("serve"), 1);
    assert_eq!(ran.count("serving"), 0);
    assert_eq!(ran.stages(), WHOLE_SEQUENCE);
}

#[test]
fn section_12_14_before_serving_there_is_no_grace_and_no_polling() {
    let plan = Plan {
        publish: Hook::Hangs,
        ask_at: 6.0,
        polls_quiescence: true,
        quiescent: vec![Answer::Says(None)],
        ..Plan::default()
    };
    let ran = play(&plan);
    assert_eq!(
        ran.stages(),
        [
            Stage::Unregister,
            Stage::Drain,
            Stage::Cleanup,
            Stage::Release
        ]
    );
    assert_eq!(ran.count("unregister") + ran.count("is_quiescent"), 0);
    assert_eq!(ran.shutdown_took(), 0.25 + 0.5 + 2.0);
}

#[test]
fn section_4_step_12_an_error_before_serving_withdraws_and_cleans_up_alone() {
    let ran = play(&Plan {
        publish: Hook::Fails(1.0),
        ..Plan::default()
    });
    assert_eq!(
        ran.calls()[4..],
        [
            "publish",
            "shutdown began",
            "withdraw",
            "cleanup",
            "state Stopped",
            "release",
        ]
    );
    assert_eq!(ran.report().reason, Reason::Failed);
    assert_eq!(ran.error().unwrap(), "publish failed");
}

#[test]
fn section_12_14_a_failed_serve_gets_the_whole_sequence() {
    let beginnings = Plan {
        serve: Hook::Fails(1.0),
        ..Plan::default()
    };
    let later = Plan {
        ended: Hook::Fails(1.0),
        ..Plan::default()
    };
    for (plan, message) in [
        (beginnings, "serve: serve failed"),
        (later, "serve: ended failed"),
    ] {
        let ran = play(&plan);
        assert_eq!(ran.stages(), WHOLE_SEQUENCE, "{message}");
        assert_eq!(ran.report().reason, Reason::Failed);
        assert_eq!(ran.error().unwrap(), message);
    }
}

#[test]
fn section_4_step_10_serving_that_ends_by_itself_is_a_success_after_the_sequence() {
    let ran = play(&Plan {
        ended: Hook::Takes(1.0),
        ..Plan::default()
    });
    assert_eq!(ran.stages(), WHOLE_SEQUENCE);
    assert_eq!(ran.success().reason, Reason::Ended);
}

#[test]
fn section_4_step_10_the_end_of_serving_is_looked_at_before_the_token() {
    // Serving begins 4.75 s into the plan, so both come at the same instant. Often, because a
    // choice left to chance would be right half of the time.
    let ask_at = 4.75 + 1.0;
    for _ in 0..16 {
        for (ended, reason) in [
            (Hook::Takes(1.0), Reason::Ended),
            (Hook::Fails(1.0), Reason::Failed),
        ] {
            let ran = play(&Plan {
                ended,
                ask_at,
                ..Plan::default()
            });
            assert_eq!(ran.first("shutdown asked"), ran.first("shutdown began"));
            assert_eq!(ran.report().reason, reason);
        }
    }
}

#[test]
fn section_4_a_shutdown_asked_for_is_a_success_whatever_failed_in_it() {
    let plan = Plan {
        unregister: Hook::Fails(0.0),
        drain: Hook::Fails(0.0),
        cleanup: Hook::Fails(0.0),
        ..Plan::default()
    };
    let ran = play(&plan);
    let report = ran.success();
    assert_eq!(
        report.failures,
        [
            (Stage::Unregister, "unregister failed".to_owned()),
            (Stage::Drain, "drain failed".to_owned()),
            (Stage::Cleanup, "cleanup failed".to_owned()),
        ]
    );
}

#[test]
fn section_4_step_11_cleanup_once_more_does_nothing() {
    for cleanup in [Hook::Takes(0.0), Hook::Fails(0.0)] {
        let ran = play(&Plan {
            cleanup,
            ..Plan::default()
        });
        assert_eq!(ran.count("cleanup"), 1);
    }
}

#[test]
fn a_run_can_be_spawned_on_a_runtime_of_many_threads() {
    fn assert_send<T: Send>(_: &T) {}
    fn of(host: &Arc<FakeHost>, shutdown: &CancellationToken, settings: &Settings) {
        assert_send(&run(host, shutdown, settings, false));
    }
    let _ = of;
}
