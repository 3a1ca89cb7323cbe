//! The endpoint whose KV cache a worker's events speak of.

use dynamo_runtime::error::DynamoError;
use dynamo_runtime::protocols::EndpointId;

use crate::error::invalid_argument;

/// Reads `NAMESPACE.COMPONENT.ENDPOINT`, also with slashes and with `dyn://` before it.
pub(super) fn parse(text: &str) -> Result<EndpointId, DynamoError> {
    let given = text.trim();
    let parts: Vec<&str> = given
        .strip_prefix("dyn://")
        .unwrap_or(given)
        .split(['.', '/'])
        .collect();
    match parts[..] {
        [namespace, component, name]
            if parts
                .iter()
                .all(|part| !part.is_empty() && !part.contains(' ')) =>
        {
            Ok(EndpointId {
                namespace: namespace.to_owned(),
                component: component.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Err(invalid_argument(format!(
            "kv_state_endpoint: '{text}' is no endpoint; accepted: NAMESPACE.COMPONENT.ENDPOINT"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_three_parts() {
        for text in [
            "dynamo.kv.events",
            " dynamo/kv/events ",
            "dyn://dynamo.kv.events",
        ] {
            let endpoint = parse(text).unwrap();
            assert_eq!(endpoint.as_url(), "dyn://dynamo.kv.events", "{text}");
        }
        for text in [
            "",
            "events",
            "kv.events",
            "dynamo..events",
            "a.b.c.d",
            "a. b.c",
        ] {
            let error = parse(text).unwrap_err();
            let expected = format!("kv_state_endpoint: '{text}' is no endpoint");
            assert!(
                error.message().starts_with(&expected),
                "{}",
                error.message()
            );
        }
    }
}
