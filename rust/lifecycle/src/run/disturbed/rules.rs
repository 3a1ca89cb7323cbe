//! What must hold of any run, however it was disturbed.

use std::time::Duration;

use crate::report::Reason;
use crate::shutdown::Budget;
use crate::testing::{Hook, Plan, Ran};

/// Every limit may be a timer's millisecond late; no shutdown has more than these in a row.
const TIMERS: Duration = Duration::from_millis(8);

pub(super) fn check(plan: &Plan, ran: &Ran) -> Result<(), String> {
    calls(plan, ran)?;
    order(ran)?;
    match &ran.outcome {
        None => killed(plan, ran),
        Some(_) => {
            returned(plan, ran)?;
            requests(plan, ran)?;
            result(plan, ran)
        }
    }
}

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn place(ran: &Ran, what: &str) -> Option<usize> {
    ran.events.iter().position(|event| event.what == what)
}

fn did_return(ran: &Ran, hook: &str) -> bool {
    ran.points.contains(&format!("{hook} returns"))
}

/// How often the hooks are called, in any run.
fn calls(plan: &Plan, ran: &Ran) -> Result<(), String> {
    for hook in ["start", "publish", "serve", "drain", "cleanup", "release"] {
        must(ran.count(hook) <= 1, &format!("{hook} at most once"))?;
    }
    must(
        ran.count("shutdown began") == 1,
        "shutdown begins exactly once",
    )?;
    must(
        ran.count("cleanup") <= ran.count("start"),
        "no cleanup without start",
    )?;
    must(
        plan.polls_quiescence || ran.count("is_quiescent") == 0,
        "only a prefill worker is asked whether it is quiescent",
    )
}

/// What comes before what, in any run.
fn order(ran: &Ran) -> Result<(), String> {
    for (first, second) in [
        ("start", "shutdown asked"),
        ("unregister", "cleanup"),
        ("withdraw", "cleanup"),
        ("unregister", "refuse"),
        ("refuse", "cut"),
        ("refuse", "drain"),
        ("drain", "is_quiescent"),
        ("drain", "cleanup"),
        ("is_quiescent", "cleanup"),
        ("cleanup", "state Stopped"),
        ("cleanup", "release"),
        ("shutdown began", "unregister"),
        ("shutdown began", "withdraw"),
        ("shutdown began", "drain"),
        ("shutdown began", "cleanup"),
    ] {
        if let (Some(first_at), Some(second_at)) = (place(ran, first), place(ran, second)) {
            must(first_at < second_at, &format!("{first} before {second}"))?;
        }
    }
    if let (Some(asked), Some(began)) = (ran.first("shutdown asked"), ran.first("shutdown began")) {
        must(
            began <= asked,
            "the clock starts when shutdown is asked for",
        )?;
    }
    Ok(())
}

/// A run that the deadline ended: only because of a hook that may not be dropped, exactly then,
/// and after all that could be done.
fn killed(plan: &Plan, ran: &Ran) -> Result<(), String> {
    let budget = Budget::new(&plan.settings());
    let began = ran
        .first("shutdown began")
        .ok_or("killed out of shutdown")?;
    let killed = ran.first("killed").ok_or("an end that nobody saw")?;
    let late = (killed - began).checked_sub(budget.deadline());
    must(
        late.is_some_and(|late| late <= TIMERS),
        "the deadline ends a run at the deadline",
    )?;
    if ran.count("cleanup") == 0 {
        must(plan.start == Hook::Hangs, "only start keeps cleanup away")?;
        must(
            ran.count("start") == 1 && !did_return(ran, "start"),
            "start hung",
        )?;
        return must(
            ran.count("publish") + ran.count("drain") == 0,
            "nothing follows a start that hangs",
        );
    }
    must(plan.cleanup == Hook::Hangs, "cleanup hung")?;
    let latest = budget.grace() + budget.work() + TIMERS;
    let cleanup = ran.first("cleanup").unwrap_or_default();
    must(
        cleanup - began <= latest,
        "cleanup has its share before the deadline",
    )?;
    let published = ran.count("publish") == 1;
    let taken_back = ran.count("unregister") + ran.count("withdraw");
    must(
        !published || taken_back == 1,
        "what was published was taken back before the deadline",
    )?;
    must(
        ran.serving_since.is_none() || ran.count("refuse") == 1,
        "requests were waited for before the deadline",
    )?;
    must(ran.count("release") == 0, "publishers outlive cleanup")
}

/// A run that returned.
fn returned(plan: &Plan, ran: &Ran) -> Result<(), String> {
    must(
        ran.count("cleanup") == ran.count("start"),
        "cleanup exactly once if and only if start was called",
    )?;
    for hook in ["start", "cleanup", "release"] {
        must(
            ran.count(hook) == 0 || did_return(ran, hook),
            &format!("{hook} is never dropped"),
        )?;
    }
    must(
        ran.count("state Stopped") == 1,
        "the worker is stopped once",
    )?;
    let published = ran.count("publish") == 1;
    must(
        !published || ran.count("release") == 1,
        "what was published is released",
    )?;
    let taken_back = ran.count("unregister") + ran.count("withdraw");
    must(
        taken_back == usize::from(published),
        "what was published is taken back once, and nothing else is",
    )?;
    must(
        (ran.count("serve") == 1) == (ran.count("unregister") == 1),
        "what was registered is unregistered",
    )?;
    must(ran.stages().is_sorted(), "stages in their order")?;
    let budget = Budget::new(&plan.settings());
    must(
        ran.shutdown_took() <= budget.deadline().as_secs_f64(),
        "the shutdown fits into its deadline",
    )
}

/// Every request that was admitted and had not finished is finished or cut, and none is cut that
/// could still finish.
fn requests(plan: &Plan, ran: &Ran) -> Result<(), String> {
    let report = ran.report();
    let told = format!("waited: {} finished, {} cut", report.finished, report.cut);
    let Some(serving) = ran.serving_since else {
        let waited = ran.count("serve") == 1;
        must(
            report.finished == 0 && report.cut == 0,
            "nothing was served",
        )?;
        return must(
            ran.count(&told) == usize::from(waited),
            "the wait's end is told",
        );
    };
    must(ran.count(&told) == 1, "the wait's end is told")?;
    let seen = |what: &str| ran.first(what).ok_or_else(|| format!("no {what}"));
    let from = seen("shutdown began")?.max(serving);
    let refused = seen("refuse")?;
    let until = ran.first("cut").unwrap_or(seen(&told)?);
    let ends = plan.requests.iter().filter_map(|request| {
        let arrives = serving + Duration::from_secs_f64(request.at);
        (arrives < refused).then(|| arrives + Duration::from_secs_f64(request.takes))
    });
    let ends: Vec<Duration> = ends.collect();
    let finished = ends.iter().filter(|end| **end > from && **end <= until);
    let cut = ends.iter().filter(|end| **end > until);
    must(
        finished.count() as u64 == report.finished,
        "requests that finished are counted as finished",
    )?;
    must(
        cut.count() == report.cut,
        "requests that could not finish are counted as cut, and no others",
    )?;
    must(
        (report.cut > 0) == (ran.count("cut") == 1),
        "what is cut is told so",
    )
}

fn result(plan: &Plan, ran: &Ran) -> Result<(), String> {
    let outcome = ran.outcome();
    must(
        outcome.error.is_some() == (outcome.report.reason == Reason::Failed),
        "the reason says whether the run failed",
    )?;
    let fails = |hook: &str, plan: Hook| {
        matches!(plan, Hook::Fails(_) | Hook::Panics(_)) && did_return(ran, hook)
    };
    let lost = place(ran, "discovery lost");
    let failed =
        fails("start", plan.start) || fails("publish", plan.publish) || fails("serve", plan.serve);
    let connected = ran.count("start") == 1
        || place(ran, "shutdown asked") < place(ran, "state Stopped")
            && ran.count("shutdown asked") == 1;
    must(
        !failed || outcome.error.is_some(),
        "a failed step fails the run",
    )?;
    let error = ran.error().unwrap_or_default();
    let engine_failed = place(ran, "engine failed");
    let broke = failed || fails("ended", plan.ended) || engine_failed.is_some();
    must(
        broke || lost.is_some() || !connected || outcome.error.is_none(),
        "a shutdown is a success",
    )?;
    must(
        connected || error.starts_with("connect: "),
        "a run that did not connect, and was not asked to stop, failed",
    )?;
    // Lost while it served: the loss is looked at before the asking.
    let served = ran.serving_since.is_some();
    let asked_first = match (place(ran, "shutdown asked"), lost) {
        (Some(asked), Some(lost)) => asked < lost,
        _ => false,
    };
    let ended_first = lost > place(ran, "shutdown began");
    must(
        !(served && lost.is_some())
            || asked_first
            || ended_first
            || error == "serve: discovery was lost"
            || error == "serve: serving panicked: no room"
            || error == "engine: watch failed",
        "a worker that lost discovery while it served does not end as a success",
    )?;
    engine_that_failed(ran, &error)
}

/// An engine that failed while it was published or served, before anything ended that.
fn engine_that_failed(ran: &Ran, error: &str) -> Result<(), String> {
    let (failed, began) = (place(ran, "engine failed"), place(ran, "shutdown began"));
    let asked = place(ran, "shutdown asked").filter(|asked| Some(*asked) < failed);
    let watched = place(ran, "watch").is_some() && asked.is_none();
    if failed.is_none() || failed > began || !watched {
        return Ok(());
    }
    // The end of serving is looked at first.
    must(
        error == "engine: watch failed" || did_return(ran, "ended"),
        "an engine that failed fails the run",
    )?;
    must(ran.count("drain") == 0, "a failed engine is not drained")?;
    let since = ran.serving_since.max(ran.first("shutdown began"));
    let cut = ran.first("cut").zip(since).map(|(cut, since)| cut - since);
    must(
        cut.is_none_or(|took| took <= Duration::from_secs(1) + TIMERS),
        "what a failed engine holds is cut at once",
    )
}
