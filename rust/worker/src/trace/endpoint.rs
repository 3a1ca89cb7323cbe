//! Where spans and logs go: what cannot be had there is told before anything starts.

use dynamo_backend_environment::{
    OTEL_EXPORT_ENABLED, OTEL_EXPORTER_OTLP_ENDPOINT as ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT,
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL as PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_METRICS_EXPORTER, Variable,
};
use dynamo_runtime::config::env_is_truthy;
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

const HTTP: &str = "http/protobuf";

/// The endpoint and the protocol of one kind of telemetry, where they are its own.
struct Signal {
    endpoint: Variable,
    /// `None`: it goes over gRPC always.
    protocol: Option<Variable>,
}

const TRACES: Signal = Signal {
    endpoint: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    protocol: Some(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL),
};
/// The runtime sends its log to where it sends its spans.
const LOGS: Signal = Signal {
    endpoint: OTEL_EXPORTER_OTLP_LOGS_ENDPOINT,
    protocol: Some(OTEL_EXPORTER_OTLP_LOGS_PROTOCOL),
};
/// What the runtime has for who does not scrape.
const METRICS: Signal = Signal {
    endpoint: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    protocol: None,
};

/// Whether the environment asks for spans to be exported.
pub(crate) fn is_asked_for() -> bool {
    env_is_truthy(OTEL_EXPORT_ENABLED.name)
}

/// Checks the addresses that the environment has telemetry sent to.
///
/// # Errors
///
/// `InvalidArgument`, where one is `https://` and the protocol gRPC, which is built without TLS: all
/// would be lost without a handshake. With `http/protobuf` there is TLS, for spans and logs.
pub fn check_endpoints() -> Result<(), DynamoError> {
    if is_asked_for() {
        TRACES.check(&Variable::text)?;
        LOGS.check(&Variable::text)?;
    }
    let exporter = OTEL_METRICS_EXPORTER.text();
    if exporter.is_some_and(|name| name.trim().eq_ignore_ascii_case("otlp")) {
        METRICS.check(&Variable::text)?;
    }
    Ok(())
}

/// Whether traces are sent over HTTP; over gRPC otherwise.
pub(super) fn over_http() -> bool {
    TRACES.is_over_http(&Variable::text)
}

impl Signal {
    fn check(&self, lookup: &impl Fn(&Variable) -> Option<String>) -> Result<(), DynamoError> {
        let (name, endpoint) = first([self.endpoint, ENDPOINT], lookup);
        let scheme = endpoint.get(..8).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("https://") || self.is_over_http(lookup) {
            return Ok(());
        }
        let other = match self.protocol {
            Some(_) => format!(
                "set {PROTOCOL} to {HTTP}, which has it, and the collector's port for that (4318 by \
                 default), or give an address that begins with http://"
            ),
            None => format!(
                "metrics go over gRPC always: set {} to an address that begins with http://",
                self.endpoint
            ),
        };
        Err(invalid_argument(format!(
            "{name} is '{endpoint}', but OTLP over gRPC has no TLS here; {other}"
        )))
    }

    fn is_over_http(&self, lookup: &impl Fn(&Variable) -> Option<String>) -> bool {
        self.protocol
            .is_some_and(|own| first([own, PROTOCOL], lookup).1.eq_ignore_ascii_case(HTTP))
    }
}

/// The first of the variables that is set, and its value; empty where none is.
fn first(
    variables: [Variable; 2],
    lookup: &impl Fn(&Variable) -> Option<String>,
) -> (&'static str, String) {
    let set = |variable: Variable| Some((variable.name, lookup(&variable)?.trim().to_owned()));
    variables
        .into_iter()
        .filter_map(set)
        .find(|(_, value)| !value.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(signal: &Signal, environment: &[(Variable, &str)]) -> Option<String> {
        let lookup = |variable: &Variable| {
            let found = environment.iter().find(|(known, _)| known == variable);
            found.map(|(_, value)| (*value).to_owned())
        };
        let error = signal.check(&lookup).err()?;
        Some(error.message().to_owned())
    }

    #[test]
    fn fault_40_https_over_grpc_is_refused_by_the_variable_that_counts() {
        let secure = "https://collector.example:4317";
        for (signal, other) in [
            (TRACES, HTTP),
            (LOGS, HTTP),
            (METRICS, METRICS.endpoint.name),
        ] {
            for variable in [ENDPOINT, signal.endpoint] {
                let environment = [(variable, secure), (PROTOCOL, "grpc")];
                let told = refused(&signal, &environment).expect(variable.name);
                for part in [variable.name, secure, other] {
                    assert!(told.contains(part), "{told}");
                }
            }
        }
        assert!(refused(&TRACES, &[(ENDPOINT, "HTTPS://collector")]).is_some());
        let traces_only = [
            (ENDPOINT, secure),
            (OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, HTTP),
        ];
        assert!(refused(&TRACES, &traces_only).is_none());
        assert!(refused(&LOGS, &traces_only).is_some());
        assert!(refused(&METRICS, &[(ENDPOINT, secure), (PROTOCOL, HTTP)]).is_some());
    }

    #[test]
    fn fault_40_plain_addresses_and_http_are_taken() {
        let secure = "https://collector.example:4318";
        for environment in [
            &[][..],
            &[(ENDPOINT, "http://collector:4317")],
            &[(ENDPOINT, secure), (PROTOCOL, "HTTP/protobuf ")],
            &[(ENDPOINT, secure), (TRACES.endpoint, "http://traces")],
            &[(TRACES.endpoint, " "), (ENDPOINT, "http://all")],
        ] {
            assert_eq!(refused(&TRACES, environment), None, "{environment:?}");
        }
    }
}
