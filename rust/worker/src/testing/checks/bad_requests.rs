//! What a bad request is answered with.

use std::sync::Arc;

use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;

use crate::error::{BackendError, kind};
use crate::testing::asking::Leaving;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem};
use crate::testing::life::{Life, told};

const UNKNOWN_TOKEN: u32 = i32::MAX as u32;

pub(super) const CHECKS: [Check; 2] = [
    Check {
        name: "errors_are_typed",
        rule: "a bad request is answered, or refused with an error that says whose fault it is",
        mend: "check the request first and return error::invalid_argument, with what was given and \
               what is accepted; an Unknown is a fault of the server to its client",
        run: |life| Box::pin(errors_are_typed(life)),
    },
    Check {
        name: "serves_after_bad_requests",
        rule: "a request that failed or was stopped leaves the engine as it was",
        mend: "free what a request holds in a Drop, so that it goes with the stream",
        run: |life| Box::pin(goes_on(life)),
    },
];

type Spoil = fn(&mut PreprocessedRequest);

const BAD: [(&str, Spoil); 3] = [
    ("an empty prompt", |request| {
        request.token_ids = Arc::default()
    }),
    ("a token that no vocabulary has", |request| {
        request.token_ids = Arc::new(vec![UNKNOWN_TOKEN]);
    }),
    ("a temperature below 0", |request| {
        request.sampling_options.temperature = Some(-1.0);
    }),
];

async fn errors_are_typed(life: &mut Life) -> Found {
    life.good_answer()?;
    for (what, spoil) in BAD {
        let mut request = life.request.clone();
        spoil(&mut request);
        let asked = format!("a request with {what}");
        let answer = life.ask(request, Leaving::Stop(2), &asked).await?;
        if let Some(error) = &answer.error
            && let BackendError::Unknown | BackendError::StreamIncomplete = kind(error)
        {
            return problem(format!("{what} reaches the client as {}", told(error)));
        }
    }
    Ok(())
}

async fn goes_on(life: &mut Life) -> Found {
    let whole = life.good_answer()?;
    let request = life.request.clone();
    let answer = life.ask(request, Leaving::Never, "the request").await?;
    if answer.error.is_none() && answer.reason() == Some(&whole.reason) {
        return Ok(());
    }
    let got = match &answer.error {
        Some(error) => told(error),
        None => format!("{:?}", answer.reason()),
    };
    problem(format!(
        "the same request that ended with {:?} now ends with {got}",
        whole.reason
    ))
}
