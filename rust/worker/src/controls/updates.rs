//! Updates: what an operator changes beside the model while the worker serves, such as the engine's
//! LoRA adapters, and the taints of the worker's card.

use std::collections::BTreeSet;
use std::sync::Arc;

use dynamo_backend_lifecycle::controls::{check_update_body, is_error_reply};
use dynamo_llm::local_model::runtime_config::TOPOLOGY_TAINT_PREFIX;
use dynamo_runtime::error::DynamoError;
use serde_json::{Value, json};

use super::{Controls, crashed};
use crate::adapter_cards::CardChanges;
use crate::engine::LLMEngine;
use crate::error::{at_step, invalid_argument, unknown};

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

impl Controls {
    /// The updates that the engine supports, and the worker's own, sorted.
    pub(crate) fn updates(&self) -> &[String] {
        &self.updates
    }

    /// Performs an update in a task of its own. One of the engine's that fails leaves the cards of its
    /// adapters as they were.
    pub(crate) async fn update(
        self: &Arc<Self>,
        name: &str,
        body: Value,
    ) -> Result<Value, DynamoError> {
        if name == MODEL_TAINTS {
            return self.replace_taints(&body).await;
        }
        if let Err(refusal) = check_update_body(&body) {
            return Ok(refusal);
        }
        let (controls, update) = (self.clone(), name.to_owned());
        let performed = tokio::spawn(async move {
            let transitions = controls.instance.transitions();
            let work = controls.perform(&update, body);
            match transitions.update(&*controls, &update, work).await {
                Ok(reply) => reply,
                Err(refusal) => Ok(refusal),
            }
        });
        performed.await.unwrap_or_else(crashed(name))
    }

    async fn perform(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let changes = CardChanges::default();
        let work = self.engine.engine_update(name, body);
        let reply = changes.clone().scope(work).await;
        if !matches!(&reply, Ok(reply) if !is_error_reply(reply)) {
            self.instance.adapters().undo(&changes).await;
        }
        reply
    }

    /// Replaces the taints that an operator has given the worker's card, in a task of its own. They
    /// are in the reply, sorted.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`: `body` does not say them.
    async fn replace_taints(self: &Arc<Self>, body: &Value) -> Result<Value, DynamoError> {
        let taints = taints_of(body)?;
        let controls = self.clone();
        let performed = tokio::spawn(async move {
            let work = controls.instance.replace_taints(taints.clone());
            let amended = controls
                .instance
                .transitions()
                .amend(&*controls, MODEL_TAINTS, work);
            match amended.await {
                Ok(Ok(())) => Ok(json!({"status": "ok", "taints": taints})),
                Ok(Err(failed)) => Err(unknown(format!("{failed:#}"))),
                Err(refusal) => Ok(refusal),
            }
        });
        performed.await.unwrap_or_else(crashed(MODEL_TAINTS))
    }
}

fn taints_of(body: &Value) -> Result<BTreeSet<String>, DynamoError> {
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
