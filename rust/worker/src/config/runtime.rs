//! [`RuntimeConfig`]: what a worker has of its process and of Dynamo's runtime.

use dynamo_backend_environment::{
    DYN_CONNECT_TIMEOUT_SECS, DYN_DECODE_KEEP_TIMEOUT_SECS, DYN_DISCOVERY_BACKEND, DYN_EVENT_PLANE,
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, DYN_HEALTH_CHECK_REQUEST_TIMEOUT,
    DYN_PREFILL_DRAIN_TIMEOUT_S, DYN_REQUEST_PLANE, DYN_RESPONSE_PLANE,
    DYN_SLEEP_DRAIN_TIMEOUT_SECS, DYN_SYSTEM_HEALTH_PATH, DYN_SYSTEM_HOST, DYN_SYSTEM_LIVE_PATH,
    DYN_SYSTEM_PORT, DYN_SYSTEM_TOKEN, DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, Variable,
};
use dynamo_backend_lifecycle::Settings;
use dynamo_backend_lifecycle::settings::LONGEST;
use dynamo_runtime::error::DynamoError;

use super::secret::Secret;
use super::table;
use crate::error::invalid_argument;

/// Where the worker finds the rest of Dynamo, how long it takes for what, and its system server. A
/// field that is `None` leaves it to its environment variable.
///
/// Discovery and planes are the runtime's, so they are written to their variables before it is built.
/// All else is the worker's own, and is handed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeConfig {
    /// `etcd`, `kubernetes`, `file` or `mem`.
    pub discovery_backend: Option<String>,
    /// `tcp` or `nats`.
    pub request_plane: Option<String>,
    /// `tcp` or `quic`, as at the frontends.
    pub response_plane: Option<String>,
    /// `nats` or `zmq`.
    pub event_plane: Option<String>,
    /// How long a shutdown goes on serving what frontends still send.
    pub grace_period_seconds: Option<f64>,
    /// How long waiting, drain and cleanup may take together.
    pub shutdown_timeout_seconds: Option<u64>,
    /// How long a prefill engine is asked whether it is quiescent.
    pub prefill_drain_seconds: Option<f64>,
    /// How long requests in flight may take before the engine is put to sleep.
    pub sleep_drain_seconds: Option<f64>,
    /// How long a decode worker keeps a stopped request that has no token yet.
    pub decode_keep_seconds: Option<f64>,
    /// How long the worker goes on trying to connect; 0: one attempt.
    pub connect_timeout_seconds: Option<f64>,
    /// 0: any free one; negative: no system server.
    pub system_port: Option<i64>,
    pub system_host: Option<String>,
    pub system_live_path: Option<String>,
    pub system_health_path: Option<String>,
    pub system_token: Option<Secret>,
    /// Whether the engine is probed.
    pub health_check_enabled: Option<bool>,
    /// Time without a finished request after which the engine is probed.
    pub canary_wait_seconds: Option<u64>,
    /// How long a probe may take.
    pub health_check_timeout_seconds: Option<u64>,
}

impl RuntimeConfig {
    /// Whether a field is set that the runtime reads when it is built.
    pub fn has_overrides(&self) -> bool {
        self.pairs().iter().any(|(_, value)| value.is_some())
    }

    /// The variables of the runtime, and what they are to be.
    pub(crate) fn pairs(&self) -> [(Variable, Option<&str>); 4] {
        [
            (DYN_DISCOVERY_BACKEND, self.discovery_backend.as_deref()),
            (DYN_REQUEST_PLANE, self.request_plane.as_deref()),
            (DYN_RESPONSE_PLANE, self.response_plane.as_deref()),
            (DYN_EVENT_PLANE, self.event_plane.as_deref()),
        ]
    }

    /// The worker's budgets: a field, else its variable, else the default. With them a warning for
    /// each variable whose value is bad.
    pub fn settings(&self) -> (Settings, Vec<String>) {
        Settings::from_lookup(|variable| self.budget(variable).or_else(|| variable.text()))
    }

    fn budget(&self, variable: &Variable) -> Option<String> {
        if *variable == DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT {
            return Some(self.shutdown_timeout_seconds?.to_string());
        }
        let budgets = self.budgets();
        let (_, seconds) = budgets.iter().find(|(known, _)| known == variable)?;
        Some((*seconds)?.to_string())
    }

    fn budgets(&self) -> [(Variable, Option<f64>); 5] {
        [
            (
                DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS,
                self.grace_period_seconds,
            ),
            (DYN_PREFILL_DRAIN_TIMEOUT_S, self.prefill_drain_seconds),
            (DYN_SLEEP_DRAIN_TIMEOUT_SECS, self.sleep_drain_seconds),
            (DYN_DECODE_KEEP_TIMEOUT_SECS, self.decode_keep_seconds),
            (DYN_CONNECT_TIMEOUT_SECS, self.connect_timeout_seconds),
        ]
    }

    pub(super) fn check(&self) -> Result<(), DynamoError> {
        for (variable, value) in self.pairs() {
            if let Some(value) = value {
                table::field_of(&variable).check_choice(value)?;
            }
        }
        for (variable, seconds) in self.budgets() {
            if let Some(seconds) = seconds
                && !(0.0..=LONGEST).contains(&seconds)
            {
                let accepted = format!("a number of seconds from 0 to {LONGEST}, or unset");
                return Err(refused(&variable, seconds, &accepted));
            }
        }
        if let Some(port) = self.system_port
            && port > u16::MAX.into()
        {
            let accepted = "0 to 65535, where 0 is any free port, or -1 for no system server";
            return Err(refused(&DYN_SYSTEM_PORT, port, accepted));
        }
        if let Some(host) = &self.system_host
            && host.trim().is_empty()
        {
            let accepted = "an address, a name or a network interface of this machine, or unset";
            return Err(refused(&DYN_SYSTEM_HOST, format!("'{host}'"), accepted));
        }
        for (variable, path) in [
            (DYN_SYSTEM_LIVE_PATH, &self.system_live_path),
            (DYN_SYSTEM_HEALTH_PATH, &self.system_health_path),
        ] {
            if let Some(path) = path
                && !path.starts_with('/')
            {
                let accepted = "a path that begins with '/', or unset";
                return Err(refused(&variable, format!("'{path}'"), accepted));
            }
        }
        if let Some(token) = &self.system_token {
            token.check(table::field_of(&DYN_SYSTEM_TOKEN).name)?;
        }
        if self.health_check_timeout_seconds == Some(0) {
            let accepted = "1 or more, or unset";
            return Err(refused(&DYN_HEALTH_CHECK_REQUEST_TIMEOUT, 0, accepted));
        }
        Ok(())
    }
}

fn refused(variable: &Variable, given: impl std::fmt::Display, accepted: &str) -> DynamoError {
    let name = table::field_of(variable).name;
    invalid_argument(format!(
        "{name}: {given} is not accepted; accepted: {accepted}"
    ))
}
