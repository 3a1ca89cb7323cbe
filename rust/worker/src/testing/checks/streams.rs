//! What an ordinary request is answered with.

use dynamo_llm::protocols::common::FinishReason;

use crate::testing::asking::Leaving;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem};
use crate::testing::life::{Life, Whole, told};

pub(super) const CHECKS: [Check; 2] = [
    Check {
        name: "chunk_shapes",
        rule: "log_probs and top_logprobs, where a chunk has them, have an entry for each token",
        mend: "push to token_ids and to them together, and leave them None if the request did not ask",
        run: |life| Box::pin(chunk_shapes(life)),
    },
    Check {
        name: "one_terminal_chunk",
        rule: "exactly one chunk has a finish_reason, and it is the last",
        mend: "end the stream with LLMEngineOutput::stop() or length(), also where nothing was \
               generated, and yield nothing after it",
        run: |life| Box::pin(one_terminal_chunk(life)),
    },
];

async fn chunk_shapes(life: &mut Life) -> Found {
    let mut with_logprobs = life.request.clone();
    with_logprobs.output_options.logprobs = Some(1);
    for request in [life.request.clone(), with_logprobs] {
        let answer = life.ask(request, Leaving::Never, "the request").await?;
        if let Some(what) = answer.yielded.misshapen {
            return problem(what);
        }
    }
    Ok(())
}

async fn one_terminal_chunk(life: &mut Life) -> Found {
    let request = life.request.clone();
    let answer = life.ask(request, Leaving::Never, "the request").await?;
    if let Some(error) = &answer.error {
        return problem(format!("an ordinary request ended with {}", told(error)));
    }
    let reason = match answer.reason() {
        Some(reason @ (FinishReason::Error(_) | FinishReason::Cancelled)) => {
            return problem(format!(
                "an ordinary request, which was not stopped, ended with {reason:?}"
            ));
        }
        Some(reason) => reason.clone(),
        None => return problem("an ordinary request ended without a chunk"),
    };
    if answer.yielded.goes_on {
        return problem(format!(
            "yielded more after the chunk with {reason:?}; no client gets it"
        ));
    }
    life.whole = Some(Whole {
        chunks: answer.yielded.chunks,
        tokens: answer.tokens(),
        reason,
    });
    Ok(())
}
