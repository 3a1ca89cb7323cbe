//! Where spans and logs go: what cannot be had there is told before anything starts.

use dynamo_runtime::config::env_is_truthy;
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

const ENABLED: &str = "OTEL_EXPORT_ENABLED";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HTTP: &str = "http/protobuf";

/// The endpoint and the protocol of one kind of telemetry, where they are its own.
struct Signal {
    endpoint: &'static str,
    /// `None`: it goes over gRPC always.
    protocol: Option<&'static str>,
}

const TRACES: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: Some("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
};
/// The runtime sends its log to where it sends its spans.
const LOGS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    protocol: Some("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"),
};
/// What the runtime has for who does not scrape.
const METRICS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    protocol: None,
};

/// Whether the environment asks for spans to be exported.
pub(crate) fn is_asked_for() -> bool {
    env_is_truthy(ENABLED)
}

/// Checks the addresses that the environment has telemetry sent to.
///
/// # Errors
///
/// `InvalidArgument`, where one is `https://` and the protocol gRPC, which is built without TLS: all
/// would be lost without a handshake. With `http/protobuf` there is TLS, for spans and logs.
pub fn check_endpoints() -> Result<(), DynamoError> {
    let lookup = |name: &str| std::env::var(name).ok();
    if is_asked_for() {
        TRACES.check(&lookup)?;
        LOGS.check(&lookup)?;
    }
    if lookup("OTEL_METRICS_EXPORTER").is_some_and(|name| name.trim().eq_ignore_ascii_case("otlp"))
    {
        METRICS.check(&lookup)?;
    }
    Ok(())
}

/// Whether traces are sent over HTTP; over gRPC otherwise.
pub(super) fn over_http() -> bool {
    TRACES.is_over_http(&|name| std::env::var(name).ok())
}

impl Signal {
    fn check(&self, lookup: &impl Fn(&str) -> Option<String>) -> Result<(), DynamoError> {
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

    fn is_over_http(&self, lookup: &impl Fn(&str) -> Option<String>) -> bool {
        self.protocol
            .is_some_and(|own| first([own, PROTOCOL], lookup).1.eq_ignore_ascii_case(HTTP))
    }
}

/// The first of the variables that is set, and its value; empty where none is.
fn first(
    names: [&'static str; 2],
    lookup: &impl Fn(&str) -> Option<String>,
) -> (&'static str, String) {
    let set = |name| Some((name, lookup(name)?.trim().to_owned()));
    names
        .into_iter()
        .filter_map(set)
        .find(|(_, value)| !value.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(signal: &Signal, environment: &[(&str, &str)]) -> Option<String> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let error = signal.check(&lookup).err()?;
        Some(error.message().to_owned())
    }

    #[test]
    fn fault_40_https_over_grpc_is_refused_by_the_variable_that_counts() {
        let secure = "https://collector.example:4317";
        for (signal, other) in [(TRACES, HTTP), (LOGS, HTTP), (METRICS, METRICS.endpoint)] {
            for name in [ENDPOINT, signal.endpoint] {
                let told = refused(&signal, &[(name, secure), (PROTOCOL, "grpc")]).expect(name);
                for part in [name, secure, other] {
                    assert!(told.contains(part), "{told}");
                }
            }
        }
        assert!(refused(&TRACES, &[(ENDPOINT, "HTTPS://collector")]).is_some());
        let traces_only = [
            (ENDPOINT, secure),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", HTTP),
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
