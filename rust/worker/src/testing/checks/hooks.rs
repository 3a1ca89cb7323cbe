//! The other hooks of an engine that serves.

use std::sync::Arc;

use dynamo_backend_lifecycle::canary;
use dynamo_backend_lifecycle::controls::{empty_body, is_error_reply};
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::controls::MODEL_TAINTS;
use crate::testing::asking::Leaving;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem, skipped};
use crate::testing::kv_record::KvRecord;
use crate::testing::life::{Life, told};

/// By which an engine sleeps, and is woken.
const PAIRS: [(&str, &str); 3] = [
    ("sleep", "wake_up"),
    ("release_memory_occupation", "resume_memory_occupation"),
    ("pause_generation", "resume_generation"),
];

const NO_CONTROL: &str = "no_such_control";
const NO_UPDATE: &str = "no_such_update";

pub(super) const CHECKS: [Check; 4] = [
    Check {
        name: "probe",
        rule: "the payload of health_check_payload is a request that it answers without an error",
        mend: "return a small but complete request: {\"token_ids\": [1], \"stop_conditions\": \
               {\"max_tokens\": 1}}; is_probe tells it from traffic",
        run: |life| Box::pin(probe(life)),
    },
    Check {
        name: "controls",
        rule: "the controls that put to sleep and wake reply, an unknown one fails, and after \
               waking requests are served; others are not called",
        mend: "have engine_control know each name of supported_controls, and return \
               error::invalid_argument for any other",
        run: |life| Box::pin(controls(life)),
    },
    Check {
        name: "updates",
        rule: "an update that it does not have fails, and none has a name of the worker's own; those \
               that it has are not called",
        mend: "have engine_update know each name of supported_updates, and return \
               error::invalid_argument for any other",
        run: |life| Box::pin(updates(life)),
    },
    Check {
        name: "kv_events",
        rule: "blocks follow stored parents, and are removed at most as often as stored",
        mend: "publish where the cache itself changes: publish_stored when a block is filled, and \
               publish_removed once, when it is evicted; fix what publish_stored returns as an error",
        run: |life| Box::pin(kv_events(life)),
    },
];

async fn probe(life: &mut Life) -> Found {
    let asked = async { life.engine.health_check_payload().await };
    let answered = life.hook("health_check_payload", asked).await?;
    let payload = match canary::from_engine(Ok::<_, DynamoError>(answered)) {
        (Some(payload), _) => Value::Object(payload),
        (None, Some(warning)) => return problem(warning),
        (None, None) => {
            return skipped("health_check_payload returns None: the engine has no probe");
        }
    };
    let request = match serde_json::from_value::<PreprocessedRequest>(payload) {
        Ok(request) => request,
        Err(error) => return problem(format!("the payload is no request: {error}")),
    };
    let answer = life.ask(request, Leaving::Never, "the probe").await?;
    if let Some(error) = &answer.error {
        return problem(format!("the probe is answered with {}", told(error)));
    }
    match answer.reason() {
        Some(reason @ (FinishReason::Error(_) | FinishReason::Cancelled)) => problem(format!(
            "the probe, which was not stopped, ends with {reason:?}"
        )),
        _ => Ok(()),
    }
}

async fn controls(life: &mut Life) -> Found {
    let asked = async { life.engine.supported_controls().await };
    let names = life.hook("supported_controls", asked).await?;
    if names.is_empty() {
        return skipped("it has no controls");
    }
    let has = |name: &str| names.iter().any(|other| other == name);
    for (sleep, wake) in PAIRS.into_iter().filter(|(sleep, _)| has(sleep)) {
        if !has(wake) {
            return problem(format!(
                "it has '{sleep}' and no '{wake}': no operator can wake it up again"
            ));
        }
        for name in [sleep, wake] {
            let body = empty_body();
            let asked = async { life.engine.validate_engine_control(name, &body).await };
            life.hook("validate_engine_control", asked).await?;
            let reply = control(life, name).await?;
            if is_error_reply(&reply) {
                return problem(format!("the control '{name}' replies {reply}"));
            }
        }
        let request = life.request.clone();
        let what = format!("the request after {wake}");
        let answer = life.ask(request, Leaving::Never, &what).await?;
        if let Some(error) = &answer.error {
            return problem(format!("{what} fails: {}", told(error)));
        }
    }
    let unknown = life.panics.awaited("engine_control", async {
        life.engine.engine_control(NO_CONTROL, empty_body()).await
    });
    match life.within("engine_control", unknown).await? {
        Ok(reply) if !is_error_reply(&reply) => problem(format!(
            "a control that it does not have, '{NO_CONTROL}', succeeds: {reply}"
        )),
        _ => Ok(()),
    }
}

async fn updates(life: &mut Life) -> Found {
    let asked = async { life.engine.supported_updates().await };
    let names = life.hook("supported_updates", asked).await?;
    if names.is_empty() {
        return skipped("it has no updates");
    }
    if names.iter().any(|name| name == MODEL_TAINTS) {
        return problem(format!(
            "the update '{MODEL_TAINTS}' is the worker's own; give it another name"
        ));
    }
    let unknown = life.panics.awaited("engine_update", async {
        life.engine.engine_update(NO_UPDATE, empty_body()).await
    });
    match life.within("engine_update", unknown).await? {
        Ok(reply) if !is_error_reply(&reply) => problem(format!(
            "an update that it does not have, '{NO_UPDATE}', succeeds: {reply}"
        )),
        _ => Ok(()),
    }
}

async fn control(life: &Life, name: &str) -> Found<Value> {
    let asked = async { life.engine.engine_control(name, empty_body()).await };
    life.hook("engine_control", asked).await
}

async fn kv_events(life: &mut Life) -> Found {
    life.good_answer()?;
    if life.kv.is_empty() {
        return skipped("it pushes no KV events");
    }
    let tokens = life.request.token_ids.to_vec();
    let reversed = tokens.iter().rev().copied().collect();
    let shifted = tokens.iter().skip(1).copied().collect();
    for prompt in [tokens.clone(), tokens.clone(), reversed, shifted, tokens] {
        let mut request = life.request.clone();
        request.token_ids = Arc::new(prompt);
        life.ask(request, Leaving::Never, "the request").await?;
    }
    let request = life.request.clone();
    life.ask(request, Leaving::Stop(1), "the request").await?;
    let problems: Vec<String> = life.kv.iter().flat_map(KvRecord::problems).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => problem(problems.join("; ")),
    }
}
