//! Updates: what an operator changes beside the model while the worker serves, such as the engine's
//! LoRA adapters, and the taints of the worker's card.

use std::collections::BTreeSet;

use dynamo_backend_lifecycle::controls::is_error_reply;
use dynamo_llm::local_model::runtime_config::TOPOLOGY_TAINT_PREFIX;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::adapter_cards::{CardChanges, Published};
use crate::engine::LLMEngine;
use crate::error::{at_step, backend, invalid_argument, kind};

/// The update that is the worker's own.
pub(crate) const MODEL_TAINTS: &str = "model_taints";

/// What can be updated, sorted: by the engine, and by the worker itself.
pub(super) async fn supported(engine: &dyn LLMEngine) -> Result<Vec<String>, DynamoError> {
    let refused = |error| at_step("supported_updates", error);
    let mut names = engine.supported_updates().await.map_err(refused)?;
    if names.iter().any(|name| name == MODEL_TAINTS) {
        return Err(refused(invalid_argument(format!(
            "'{MODEL_TAINTS}' is the worker's own; give the engine's update another name"
        ))));
    }
    names.push(MODEL_TAINTS.to_owned());
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Performs an update of the engine's. Of one that fails, what it did to the cards of the engine's
/// adapters is undone.
pub(super) async fn perform(
    engine: &dyn LLMEngine,
    adapters: &Published,
    name: &str,
    body: Value,
) -> Result<Value, DynamoError> {
    let changes = CardChanges::default();
    let work = engine.engine_update(name, body);
    let reply = changes.clone().scope(work).await;
    if matches!(&reply, Ok(reply) if !is_error_reply(reply)) {
        changes.keep();
        return reply;
    }
    let not_undone = adapters.undo(&changes).await;
    match not_undone.is_empty() {
        true => reply,
        false => with_not_undone(reply, &not_undone.join("', '")),
    }
}

/// Says in the answer of an update that failed what is not as it was before.
fn with_not_undone(reply: Result<Value, DynamoError>, names: &str) -> Result<Value, DynamoError> {
    let more =
        format!("the cards of these adapters could not be brought back as they were: '{names}'");
    match reply {
        Ok(mut reply) => {
            reply["message"] = match reply["message"].as_str() {
                Some(message) => format!("{message}; {more}"),
                None => more,
            }
            .into();
            Ok(reply)
        }
        Err(error) => Err(backend(
            kind(&error),
            format!("{}; {more}", error.message()),
        )),
    }
}

/// Reads the taints that are to replace those of the card.
///
/// # Errors
///
/// `InvalidArgument`: `body` does not say them.
pub(super) fn taints_of(body: &Value) -> Result<BTreeSet<String>, DynamoError> {
    let given = body.get("taints").cloned().unwrap_or_default();
    let taints: BTreeSet<String> = serde_json::from_value(given).map_err(|_| {
        invalid_argument(
            "the body must be a JSON object whose 'taints' is an array of strings; an empty one \
             takes all of them away",
        )
    })?;
    let refused = |taint: &str| {
        if taint.trim().is_empty() {
            Some("it is empty".to_owned())
        } else if taint.starts_with(TOPOLOGY_TAINT_PREFIX) {
            Some(format!(
                "'{TOPOLOGY_TAINT_PREFIX}' begins those of the worker's topology, which stay"
            ))
        } else {
            None
        }
    };
    for taint in &taints {
        if let Some(why) = refused(taint) {
            return Err(invalid_argument(format!("taint '{taint}': {why}")));
        }
    }
    Ok(taints)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn taints_are_a_set_of_strings() {
        let taints = taints_of(&json!({"taints": ["b", "a", "b"], "more": 1})).unwrap();
        assert_eq!(json!(taints), json!(["a", "b"]));
        assert!(taints_of(&json!({"taints": []})).unwrap().is_empty());
        for body in [
            json!({}),
            json!([]),
            json!(null),
            json!({"taints": null}),
            json!({"taints": "a"}),
            json!({"taints": ["a", 1]}),
        ] {
            let error = taints_of(&body).unwrap_err();
            assert!(error.message().contains("array of strings"), "{body}");
        }
    }

    #[test]
    fn a_failed_update_says_what_could_not_be_undone() {
        let replied = with_not_undone(Ok(json!({"status": "error", "message": "no room"})), "a");
        let replied = replied.unwrap();
        let message = replied["message"].as_str().unwrap();
        assert!(
            message.starts_with("no room; ") && message.ends_with("'a'"),
            "{message}"
        );
        let bare = with_not_undone(Ok(json!({"success": false})), "a").unwrap();
        assert!(bare["message"].as_str().unwrap().ends_with("'a'"), "{bare}");
        let raised = with_not_undone(Err(invalid_argument("no rank")), "a', 'b").unwrap_err();
        assert!(
            raised.message().starts_with("no rank; "),
            "{}",
            raised.message()
        );
        assert!(
            raised.message().ends_with("'a', 'b'"),
            "{}",
            raised.message()
        );
    }

    #[test]
    fn taints_of_the_topology_and_empty_ones_are_refused() {
        for (taint, why) in [("dynamo.topology/zone=a", "topology"), (" ", "empty")] {
            let error = taints_of(&json!({"taints": ["fine", taint]})).unwrap_err();
            let message = error.message();
            assert!(
                message.starts_with(&format!("taint '{taint}'")),
                "{message}"
            );
            assert!(message.contains(why), "{message}");
        }
    }
}
