//! Where spans and logs go: what cannot be had there is told before anything starts.

use dynamo_runtime::error::DynamoError;

use super::export::is_asked_for;
use crate::error::invalid_argument;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HTTP: &str = "http/protobuf";

/// The endpoint and the protocol of one kind of telemetry, where they are its own.
struct Signal {
    endpoint: &'static str,
    protocol: &'static str,
}

const TRACES: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
};
/// The runtime sends its log to where it sends its spans.
const LOGS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
};

/// Checks the addresses that the environment has telemetry sent to.
///
/// # Errors
///
/// `InvalidArgument`, where one is `https://` and the protocol gRPC, which is built without TLS: each
/// span would be lost without a handshake. With `http/protobuf` there is TLS.
pub fn check_endpoints() -> Result<(), DynamoError> {
    if is_asked_for() {
        check(|name| std::env::var(name).ok())?;
    }
    Ok(())
}

/// Whether traces are sent over HTTP; over gRPC otherwise.
pub(super) fn over_http() -> bool {
    TRACES.is_over_http(&|name| std::env::var(name).ok())
}

fn check(lookup: impl Fn(&str) -> Option<String>) -> Result<(), DynamoError> {
    for signal in [TRACES, LOGS] {
        let (name, endpoint) = signal.endpoint(&lookup);
        let scheme = endpoint.get(..8).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("https://") && !signal.is_over_http(&lookup) {
            return Err(invalid_argument(format!(
                "{name} is '{endpoint}', but OTLP over gRPC has no TLS here; set {PROTOCOL} to \
                 {HTTP}, which has it, and the collector's port for that (4318 by default), or give \
                 an address that begins with http://"
            )));
        }
    }
    Ok(())
}

impl Signal {
    /// The variable that counts, and its value; empty where none is set.
    fn endpoint(&self, lookup: &impl Fn(&str) -> Option<String>) -> (&'static str, String) {
        first([self.endpoint, ENDPOINT], lookup)
    }

    fn is_over_http(&self, lookup: &impl Fn(&str) -> Option<String>) -> bool {
        first([self.protocol, PROTOCOL], lookup)
            .1
            .eq_ignore_ascii_case(HTTP)
    }
}

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

    fn refused(environment: &[(&str, &str)]) -> Option<String> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        check(lookup).err().map(|error| error.message().to_owned())
    }

    #[test]
    fn fault_40_https_over_grpc_is_refused_by_the_variable_that_counts() {
        let secure = "https://collector.example:4317";
        for name in [ENDPOINT, TRACES.endpoint, LOGS.endpoint] {
            let told = refused(&[(name, secure)]).expect(name);
            for part in [name, secure, HTTP] {
                assert!(told.contains(part), "{told}");
            }
        }
        assert!(refused(&[(ENDPOINT, "HTTPS://collector")]).is_some());
        assert!(refused(&[(ENDPOINT, secure), (PROTOCOL, "grpc")]).is_some());
        let logs_too = [(ENDPOINT, secure), (TRACES.protocol, HTTP)];
        assert!(refused(&logs_too).is_some());
    }

    #[test]
    fn fault_40_plain_addresses_and_http_are_taken() {
        let secure = "https://collector.example:4318";
        assert_eq!(refused(&[]), None);
        assert_eq!(refused(&[(ENDPOINT, "http://collector:4317")]), None);
        assert_eq!(
            refused(&[(ENDPOINT, secure), (PROTOCOL, "HTTP/protobuf ")]),
            None
        );
        let both = [
            (ENDPOINT, secure),
            (TRACES.endpoint, "http://traces"),
            (LOGS.endpoint, " "),
            (LOGS.protocol, HTTP),
        ];
        assert_eq!(refused(&both), None);
    }
}
