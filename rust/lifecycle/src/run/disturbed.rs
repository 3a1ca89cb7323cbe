//! Runs that are asked to shut down at every point and before every poll, contract sections 2 to 5.

use crate::report::Reason;
use crate::testing::{Arrival, Hook, Plan, Ran, play};

/// Asks for shutdown at every point of every plan, and checks what must hold of any run.
#[test]
fn sections_2_to_5_hold_when_shutdown_is_asked_for_at_every_point() {
    let engines: [(&str, Plan); 9] = [
        ("succeeds", Plan::default()),
        (
            "fails at start",
            Plan {
                start: Hook::Fails(3.0),
                ..Plan::default()
            },
        ),
        (
            "fails at cleanup",
            Plan {
                cleanup: Hook::Fails(2.0),
                ..Plan::default()
            },
        ),
        (
            "hangs in drain",
            Plan {
                drain: Hook::Hangs,
                ..Plan::default()
            },
        ),
        (
            "fails to publish",
            Plan {
                publish: Hook::Fails(1.0),
                ..Plan::default()
            },
        ),
        (
            "fails to serve",
            Plan {
                serve: Hook::Fails(0.1),
                ..Plan::default()
            },
        ),
        (
            "stops serving by itself",
            Plan {
                ended: Hook::Takes(9.0),
                ..Plan::default()
            },
        ),
        (
            "never becomes quiescent",
            Plan {
                polls_quiescence: true,
                quiescent: vec![Ok(Some(false))],
                ..Plan::default()
            },
        ),
        (
            "hangs wherever it may",
            Plan {
                unregister: Hook::Hangs,
                withdraw: Hook::Hangs,
                cut: Hook::Hangs,
                drain: Hook::Hangs,
                cleanup: Hook::Takes(5.0),
                ..Plan::default()
            },
        ),
    ];
    let requests = [(0.0, 2.0), (50.0, 60.0), (94.0, 500.0), (101.0, 3.0)];
    let requests = requests.map(|(at, takes)| Arrival { at, takes }).to_vec();
    for (engine, plan) in engines {
        for requests in [Vec::new(), requests.clone()] {
            let plan = Plan {
                requests,
                ..plan.clone()
            };
            let at_points = every(|point| {
                let ask_at_point = Some(point);
                let plan = Plan {
                    ask_at_point,
                    ..plan.clone()
                };
                let ran = play(&plan);
                hold(engine, &plan, &ran);
                point < ran.points.len()
            });
            let at_polls = every(|poll| {
                let ask_at_poll = Some(poll);
                let plan = Plan {
                    ask_at_poll,
                    ..plan.clone()
                };
                let ran = play(&plan);
                hold(engine, &plan, &ran);
                poll < ran.polls
            });
            assert!(
                at_points > 4 && at_polls > 3,
                "an engine that {engine} was hardly disturbed"
            );
        }
    }
}

/// Calls `disturb` with 0, 1, 2, … until it says that the run has no such place; answers how many
/// it had.
fn every(mut disturb: impl FnMut(usize) -> bool) -> usize {
    (0..).find(|place| !disturb(*place)).expect("a run ends")
}

fn hold(engine: &str, plan: &Plan, ran: &Ran) {
    if let Err(broken) = check(plan, ran) {
        let point = plan.ask_at_point.and_then(|point| ran.points.get(point));
        panic!(
            "an engine that {engine}, shutdown asked for at {point:?}, poll {:?}: {broken}\n\
             replay with play(&{plan:?})\n{ran:#?}",
            plan.ask_at_poll
        );
    }
}

/// What must hold of any run whose engine does not hang in `start` or `cleanup`.
fn check(plan: &Plan, ran: &Ran) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let place = |what| ran.events.iter().position(|event| event.what == what);
    // Also true where one of the two did not happen.
    let before = |first, second| match (place(first), place(second)) {
        (Some(first), Some(second)) => first < second,
        _ => true,
    };
    let started = ran.count("start");
    must(started <= 1, "start is called at most once")?;
    must(
        ran.count("cleanup") == started,
        "cleanup exactly once if and only if start was called",
    )?;
    must(ran.count("drain") <= 1, "drain at most once")?;
    must(
        ran.count("shutdown began") == 1,
        "shutdown begins exactly once",
    )?;
    must(
        ran.count("state Stopped") == 1,
        "the worker is stopped once",
    )?;

    must(before("unregister", "cleanup"), "unregister before cleanup")?;
    must(before("withdraw", "cleanup"), "withdraw before cleanup")?;
    must(before("drain", "cleanup"), "drain before cleanup")?;
    must(before("cleanup", "release"), "release after cleanup")?;
    let published = ran.count("publish") == 1;
    must(
        !published || ran.count("release") == 1,
        "what was published is released",
    )?;
    let taken_back = ran.count("unregister") + ran.count("withdraw");
    must(
        !published || taken_back == 1,
        "what was published is taken back once",
    )?;
    must(ran.stages().is_sorted(), "stages in their order")?;

    must(
        before("start", "shutdown asked"),
        "start never runs after shutdown was asked for",
    )?;

    let deadline = plan.settings().timeout + plan.settings().grace;
    let took = ran.shutdown_took();
    must(
        took <= deadline.as_secs_f64(),
        "the shutdown fits into its deadline",
    )?;

    let failed = plan.start == Hook::Fails(3.0) && started == 1;
    let outcome = &ran.outcome;
    must(
        !failed || outcome.error.is_some(),
        "a failed start fails the run",
    )?;
    let fails = [plan.start, plan.publish, plan.serve]
        .iter()
        .any(|hook| matches!(hook, Hook::Fails(_)));
    must(fails || outcome.error.is_none(), "a shutdown is a success")?;
    must(
        outcome.error.is_some() == (outcome.report.reason == Reason::Failed),
        "the reason says whether the run failed",
    )
}
