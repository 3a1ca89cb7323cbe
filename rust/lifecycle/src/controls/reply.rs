//! What engines reply to a control, and what the worker replies for them.

use std::fmt::Display;

use serde_json::{Map, Value, json};

/// What an empty request body is read as.
pub fn empty_body() -> Value {
    Value::Object(Map::new())
}

/// True where a reply says that the control failed: its `status` is `error` in any case, or its
/// `success` is false.
///
/// ```
/// use dynamo_backend_lifecycle::controls::is_error_reply;
/// use serde_json::json;
///
/// assert!(is_error_reply(&json!({"status": "Error", "message": "busy"})));
/// assert!(!is_error_reply(&json!({"status": "ok"})));
/// ```
pub fn is_error_reply(reply: &Value) -> bool {
    let status = reply.get("status").and_then(Value::as_str);
    status.is_some_and(|status| status.eq_ignore_ascii_case("error"))
        || reply.get("success") == Some(&Value::Bool(false))
}

/// True where a reply says that the engine still sleeps.
pub fn says_sleeping(reply: &Value) -> bool {
    reply.get("is_sleeping") == Some(&Value::Bool(true))
}

/// True where the reply of a register-after control lets the instance return to discovery.
pub fn lets_register(reply: &Value) -> bool {
    !is_error_reply(reply) && !says_sleeping(reply)
}

/// The reply when the instance could not leave discovery, and the engine was not called.
pub fn unregister_failed(control: &str, error: impl Display) -> Value {
    error_reply(format!(
        "{control}: the endpoint could not be unregistered, the engine was not called: {error}"
    ))
}

/// The reply when the engine succeeded and the instance could not return to discovery.
pub fn register_failed(control: &str, error: impl Display) -> Value {
    error_reply(format!(
        "{control}: the engine succeeded, but the endpoint could not be registered again: {error}; \
         the same call can safely be repeated"
    ))
}

/// A reply that is an error, as its `status` says.
pub fn error_reply(message: impl Into<String>) -> Value {
    json!({"status": "error", "message": message.into()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_7_replies_that_are_errors() {
        let errors = [
            json!({"status": "error"}),
            json!({"status": "ERROR", "success": true}),
            json!({"success": false}),
            json!({"status": "ok", "success": false}),
        ];
        for reply in errors {
            assert!(is_error_reply(&reply), "{reply}");
            assert!(!lets_register(&reply), "{reply}");
        }
        let fine = [
            json!({}),
            json!(null),
            json!("error"),
            json!(["error"]),
            json!({"status": "errors"}),
            json!({"status": ["error"]}),
            json!({"status": "ok", "success": true}),
            json!({"success": null}),
            json!({"success": 0}),
            json!({"error": "no"}),
            json!({"is_sleeping": false}),
        ];
        for reply in fine {
            assert!(!is_error_reply(&reply), "{reply}");
            assert!(lets_register(&reply), "{reply}");
        }
    }

    #[test]
    fn section_7_a_reply_that_says_sleeping_does_not_register() {
        let asleep = json!({"status": "ok", "is_sleeping": true});
        assert!(says_sleeping(&asleep) && !is_error_reply(&asleep) && !lets_register(&asleep));
        for reply in [
            json!({"is_sleeping": "true"}),
            json!({"is_sleeping": 1}),
            json!(true),
        ] {
            assert!(!says_sleeping(&reply), "{reply}");
        }
    }

    #[test]
    fn section_7_the_workers_own_errors_are_error_replies() {
        let unregister = unregister_failed("sleep", "etcd is away");
        let register = register_failed("wake_up", "etcd is away");
        for (reply, name) in [(&unregister, "sleep"), (&register, "wake_up")] {
            assert!(is_error_reply(reply), "{reply}");
            let message = reply["message"].as_str().unwrap();
            assert!(
                message.contains(name) && message.contains("etcd is away"),
                "{message}"
            );
        }
        let message = register["message"].as_str().unwrap();
        assert!(
            message.contains("the same call can safely be repeated"),
            "{message}"
        );
    }
}
