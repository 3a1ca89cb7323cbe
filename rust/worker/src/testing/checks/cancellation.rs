//! What a stopped request ends with, whenever it is stopped.

use dynamo_llm::protocols::common::FinishReason;

use crate::testing::asking::Leaving;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem, skipped};
use crate::testing::life::{Life, told};

const MOST_POINTS: usize = 8;

/// What may be on its way already, from a batch or a queue of the engine's.
const LATE_CHUNKS: usize = 8;

const MEND: &str = "look at context.is_stopped() before each chunk, and end with \
                    LLMEngineOutput::cancelled(); where the stream waits long, wait for \
                    context.stopped() too, or end the request in abort";

pub(super) const CHECKS: [Check; 2] = [
    Check {
        name: "cancellation_at_every_point",
        rule: "a request that is stopped, at any time, ends with 'cancelled' and no error",
        mend: MEND,
        run: |life| Box::pin(at_every_point(life)),
    },
    Check {
        name: "kill",
        rule: "a request that is killed ends like one that is stopped",
        mend: MEND,
        run: |life| Box::pin(killed(life)),
    },
];

async fn at_every_point(life: &mut Life) -> Found {
    for point in 1..several_chunks(life)?.min(MOST_POINTS) {
        let what = format!("stopped after chunk {point}");
        left_at(life, point, Leaving::Stop(point), &what).await?;
    }
    Ok(())
}

async fn killed(life: &mut Life) -> Found {
    several_chunks(life)?;
    left_at(life, 1, Leaving::Kill(1), "killed after chunk 1").await
}

fn several_chunks(life: &Life) -> Found<usize> {
    match life.good_answer()?.chunks {
        0 | 1 => skipped(
            "its whole answer is one chunk; give check_engine a request with a longer answer",
        ),
        chunks => Ok(chunks),
    }
}

async fn left_at(life: &Life, point: usize, leaving: Leaving, what: &str) -> Found {
    let whole = life.good_answer()?;
    let asked = format!("the request that was {what}");
    let answer = life.ask(life.request.clone(), leaving, &asked).await?;
    if let Some(error) = &answer.error {
        return problem(format!(
            "{what}, the request ended with an error: {}",
            told(error)
        ));
    }
    // An engine may join more tokens this time, and end before.
    let late = answer.yielded.chunks.saturating_sub(point);
    if late > LATE_CHUNKS {
        return problem(format!("{what}, its stream yielded {late} more"));
    }
    match answer.reason() {
        Some(reason) if *reason != FinishReason::Cancelled && answer.tokens() < whole.tokens => {
            problem(format!(
                "{what}, the request ended with {reason:?}, not with Cancelled"
            ))
        }
        _ => Ok(()),
    }
}
