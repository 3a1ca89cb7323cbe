//! What is left of many requests, and of the engine.

use futures::TryFutureExt;
use futures::future::join_all;

use crate::testing::asking::Leaving;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem, skipped};
use crate::testing::life::{Life, settled_tasks, tasks, told};

const AT_ONCE: usize = 8;

/// Beyond what one that is asked for the first time sets up, and keeps.
const FIRST: usize = 32;

pub(super) const SERVING: [Check; 1] = [Check {
    name: "no_leaks",
    rule: "requests that come together are answered, and leave no task behind, and no context, \
           also where a stream is dropped",
    mend: "end in a Drop of the stream what a request began: abort its tasks, as with tokio's \
           JoinSet, and take it out of every map; let a request wait where others are served",
    run: |life| Box::pin(no_leaks(life)),
}];

pub(super) const AFTER: [Check; 2] = [
    Check {
        name: "nothing_is_left",
        rule: "after cleanup no task of the engine goes on",
        mend: "end in cleanup what start began: cancel its tasks and await them",
        run: |life| Box::pin(nothing_is_left(life)),
    },
    Check {
        name: "no_panic",
        rule: "no hook and no stream panics, whatever it is asked",
        mend: "return an error where unwrap, expect or an index can fail",
        run: |life| Box::pin(no_panic(life)),
    },
];

async fn no_leaks(life: &mut Life) -> Found {
    life.good_answer()?;
    let first = FIRST.min(life.requests / 2);
    let mut contexts = ask(life, first).await?;
    let before = settled_tasks().await;
    contexts.extend(ask(life, life.requests - first).await?);

    // A pool that still grows to its size is no leak.
    if !life.until(|| tasks() <= before + AT_ONCE).await {
        return problem(format!(
            "after {} requests there are {} tasks more than after {first}",
            life.requests,
            tasks() - before
        ));
    }
    let held = || contexts.iter().filter(|is_held| is_held()).count();
    if !life.until(|| held() == 0).await {
        return problem(format!(
            "of {} requests that have ended the contexts of {} are held",
            life.requests,
            held()
        ));
    }
    match life.requests - first > AT_ONCE {
        true => Ok(()),
        false => skipped(format!(
            "{} requests are too few to tell a task for each from a pool that grows; give it {} \
             or more",
            life.requests,
            2 * AT_ONCE + 1
        )),
    }
}

/// Asks for so many, and answers whether the context of each is still held.
async fn ask(life: &Life, count: usize) -> Found<Vec<impl Fn() -> bool + use<>>> {
    let mut short = life.request.clone();
    short.stop_conditions.max_tokens = Some(2);
    let mut contexts = Vec::with_capacity(count);
    for first in (0..count).step_by(AT_ONCE) {
        let turn = first..count.min(first + AT_ONCE);
        let together = turn.len();
        let turn = turn.map(|number| {
            // As clients do.
            let leaving = match number % 4 {
                1 => Leaving::Stop(1),
                3 => Leaving::Drop(1),
                _ => Leaving::Never,
            };
            let answer = life.ask(short.clone(), leaving, "the request");
            answer.map_ok(move |answer| (leaving, answer))
        });
        for answer in join_all(turn).await {
            let (leaving, answer) = answer?;
            if let (Leaving::Never, Some(error)) = (leaving, &answer.error) {
                return problem(format!(
                    "of {together} requests that came together, one that nobody stopped ended \
                     with {}",
                    told(error)
                ));
            }
            let context = answer.context;
            contexts.push(move || context.strong_count() > 0);
        }
    }
    Ok(contexts)
}

async fn nothing_is_left(life: &mut Life) -> Found {
    let before = life.tasks_before;
    match life.until(|| tasks() <= before).await {
        true => Ok(()),
        false => problem(format!("after cleanup {} tasks go on", tasks() - before)),
    }
}

async fn no_panic(life: &mut Life) -> Found {
    let mut seen = life.panics.seen();
    seen.dedup();
    match seen.is_empty() {
        true => Ok(()),
        false => problem(seen.join("; ")),
    }
}
