//! In which order an engine control and discovery are changed: by the control's name.

use serde_json::Value;

use super::reply::error_reply;

/// In which order an engine control and discovery are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The instance leaves discovery, then the engine is called.
    UnregisterFirst,
    /// The engine is called, then the instance returns to discovery, where its reply allows it.
    RegisterAfter,
    /// The engine is called; discovery stays as it is.
    Direct,
}

impl Policy {
    /// The policy of the control of this name.
    ///
    /// ```
    /// use dynamo_backend_lifecycle::controls::Policy;
    ///
    /// assert_eq!(Policy::of("sleep"), Policy::UnregisterFirst);
    /// assert_eq!(Policy::of("flush_cache"), Policy::Direct);
    /// ```
    pub fn of(control: &str) -> Self {
        match control {
            "sleep" | "release_memory_occupation" | "pause_generation" => Self::UnregisterFirst,
            "wake_up" | "resume_memory_occupation" | "resume_generation" => Self::RegisterAfter,
            _ => Self::Direct,
        }
    }

    /// Whether requests in flight stay in the engine while it is called: of `pause_generation`, which
    /// holds them until it is resumed. The others wait for them, and cut what takes too long.
    pub fn holds_requests(control: &str) -> bool {
        control == "pause_generation"
    }

    /// Checks a call's body before anything is done.
    ///
    /// # Errors
    ///
    /// The reply to send instead of calling the engine.
    pub fn check_body(self, body: &Value) -> Result<(), Value> {
        match self {
            Self::UnregisterFirst if !body.is_object() => Err(error_reply(
                "engine control request body must be a JSON object",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks the body of an update before anything is done.
///
/// # Errors
///
/// The reply to send instead of calling the engine.
pub fn check_update_body(body: &Value) -> Result<(), Value> {
    match body.is_object() {
        true => Ok(()),
        false => Err(error_reply(
            "engine update request body must be a JSON object",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controls::empty_body;

    #[test]
    fn section_7_policy_by_name() {
        let rows = [
            ("sleep", Policy::UnregisterFirst),
            ("release_memory_occupation", Policy::UnregisterFirst),
            ("pause_generation", Policy::UnregisterFirst),
            ("wake_up", Policy::RegisterAfter),
            ("resume_memory_occupation", Policy::RegisterAfter),
            ("resume_generation", Policy::RegisterAfter),
            ("flush_cache", Policy::Direct),
            ("Sleep", Policy::Direct),
            ("", Policy::Direct),
        ];
        for (name, policy) in rows {
            assert_eq!(Policy::of(name), policy, "{name:?}");
        }
    }

    #[test]
    fn section_7_only_unregister_first_checks_the_body() {
        let refusal = json!({
            "status": "error",
            "message": "engine control request body must be a JSON object",
        });
        for body in [
            json!(null),
            json!([]),
            json!("level"),
            json!(1),
            json!(true),
        ] {
            let policy = Policy::UnregisterFirst;
            assert_eq!(policy.check_body(&body), Err(refusal.clone()), "{body}");
            assert_eq!(Policy::RegisterAfter.check_body(&body), Ok(()), "{body}");
            assert_eq!(Policy::Direct.check_body(&body), Ok(()), "{body}");
        }
        for body in [empty_body(), json!({"level": 1})] {
            assert_eq!(Policy::UnregisterFirst.check_body(&body), Ok(()), "{body}");
        }
        assert_eq!(empty_body(), json!({}));
    }

    #[test]
    fn every_update_checks_its_body() {
        for body in [json!(null), json!([]), json!("lora"), json!(1)] {
            let refusal = check_update_body(&body).unwrap_err();
            assert_eq!(
                refusal["message"],
                "engine update request body must be a JSON object"
            );
        }
        assert_eq!(check_update_body(&empty_body()), Ok(()));
    }
}
