//! How long connecting, shutdown, sleep and requests that are kept may take: the only reader of what
//! the variables of that say.
//!
//! Connecting is given more time than the runtime itself takes for a first connection to etcd
//! (`ETCD_STARTUP_CONNECT_TIMEOUT_SECONDS`, 120), so that its error is heard and not cut short.
//!
//! A bad value never stops a worker: the default is taken, and a warning says so.

use std::time::Duration;

use dynamo_backend_environment::{
    DYN_CONNECT_TIMEOUT_SECS, DYN_DECODE_KEEP_TIMEOUT_SECS,
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, DYN_PREFILL_DRAIN_TIMEOUT_S,
    DYN_SLEEP_DRAIN_TIMEOUT_SECS, DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, Kind, Variable,
};

/// The longest duration that may be given with fractions: a day, in seconds.
pub const LONGEST: f64 = 86_400.0;

/// Every variable that [`Settings`] reads.
pub const VARIABLES: [Variable; 6] = [
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS,
    DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT,
    DYN_PREFILL_DRAIN_TIMEOUT_S,
    DYN_SLEEP_DRAIN_TIMEOUT_SECS,
    DYN_CONNECT_TIMEOUT_SECS,
    DYN_DECODE_KEEP_TIMEOUT_SECS,
];

/// How long connecting, the parts of a shutdown and a decode that nobody waits for may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between unregistering and waiting for requests; 5 s by default.
    pub grace: Duration,
    /// Waiting, draining and cleanup together; 5 s by default in debug builds, 30 s in release.
    pub timeout: Duration,
    /// How long a prefill engine is asked whether it is quiescent; 30 s by default.
    pub prefill_drain: Duration,
    /// How long requests in flight may take before an engine is put to sleep; 30 s by default.
    pub sleep: Duration,
    /// How long connecting is tried again, counted from the first attempt; 150 s by default, 0 is
    /// one attempt, which may take as long as it takes.
    pub connect: Duration,
    /// How long a decode whose request was stopped is kept for its first token, so that the KV
    /// cache which waits at its prefill worker is fetched; 60 s by default.
    pub decode_keep: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_lookup(|_| None).0
    }
}

impl Settings {
    /// The settings that `lookup` gives, and a warning for each bad value.
    ///
    /// ```
    /// use dynamo_backend_lifecycle::Settings;
    ///
    /// let (settings, warnings) = Settings::from_lookup(|variable| match variable.name {
    ///     "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS" => Some("2.5".to_owned()),
    ///     "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT" => Some("1m".to_owned()),
    ///     _ => None,
    /// });
    /// assert_eq!(settings.grace.as_secs_f64(), 2.5);
    /// assert_eq!(settings.timeout, Settings::default().timeout);
    /// assert!(warnings[0].starts_with("DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT is '1m'"));
    /// ```
    pub fn from_lookup(lookup: impl Fn(&Variable) -> Option<String>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut read = |variable: &Variable| {
            let default = default(variable);
            let Some(text) = lookup(variable).filter(|text| !text.is_empty()) else {
                return default;
            };
            let parsed = match variable.kind {
                Kind::WholeSeconds => whole_seconds(&text),
                _ => seconds(&text),
            };
            match parsed {
                Parsed::Unset => default,
                Parsed::Value(value) => value,
                Parsed::Bad(accepted) => {
                    let seconds = default.as_secs();
                    warnings.push(format!(
                        "{variable} is '{text}', which is not {accepted}; using {seconds} s"
                    ));
                    default
                }
            }
        };
        let settings = Self {
            grace: read(&DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS),
            timeout: read(&DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT),
            prefill_drain: read(&DYN_PREFILL_DRAIN_TIMEOUT_S),
            sleep: read(&DYN_SLEEP_DRAIN_TIMEOUT_SECS),
            connect: read(&DYN_CONNECT_TIMEOUT_SECS),
            decode_keep: read(&DYN_DECODE_KEEP_TIMEOUT_SECS),
        };
        (settings, warnings)
    }
}

/// The table's, which is that of release builds.
fn default(variable: &Variable) -> Duration {
    if cfg!(debug_assertions) && *variable == DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT {
        return Duration::from_secs(5);
    }
    let seconds = variable.default.and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| unreachable!("{variable} has no whole seconds")))
}

enum Parsed {
    Value(Duration),
    Unset,
    /// With what would have been accepted.
    Bad(&'static str),
}

fn seconds(text: &str) -> Parsed {
    const ACCEPTED: &str = "a number of seconds from 0 to 86400";
    let text = text.trim();
    if text.is_empty() {
        return Parsed::Unset;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value <= LONGEST => {
            Parsed::Value(Duration::from_secs_f64(value.max(0.0)))
        }
        _ => Parsed::Bad(ACCEPTED),
    }
}

fn whole_seconds(text: &str) -> Parsed {
    const ACCEPTED: &str = "a whole number of seconds, digits only";
    // `parse` alone takes a leading plus.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(value) if digits => Parsed::Value(Duration::from_secs(value)),
        _ => Parsed::Bad(ACCEPTED),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(variable: Variable, text: &str) -> (Settings, Vec<String>) {
        Settings::from_lookup(|asked| (*asked == variable).then(|| text.to_owned()))
    }

    #[test]
    fn section_5_defaults() {
        let (settings, warnings) = Settings::from_lookup(|_| None);
        let timeout = if cfg!(debug_assertions) { 5 } else { 30 };
        assert_eq!(settings.grace, Duration::from_secs(5));
        assert_eq!(settings.timeout, Duration::from_secs(timeout));
        assert_eq!(settings.prefill_drain, Duration::from_secs(30));
        assert_eq!(settings.sleep, Duration::from_secs(30));
        assert_eq!(settings.connect, Duration::from_secs(150));
        assert_eq!(settings.decode_keep, Duration::from_secs(60));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn section_5_variables_with_fractions() {
        let good = [
            ("0", 0.0),
            ("7", 7.0),
            ("2.5", 2.5),
            ("  1.5\t", 1.5),
            (".25", 0.25),
            ("1e2", 100.0),
            ("-1", 0.0),
            ("-0.0", 0.0),
            ("-1e300", 0.0),
            ("1e-320", 0.0),
            ("86400", 86_400.0),
        ];
        for (text, wanted) in good {
            let wanted = Duration::from_secs_f64(wanted);
            let (settings, warnings) = read(DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, text);
            assert_eq!((settings.grace, warnings), (wanted, vec![]), "{text:?}");
            let (settings, warnings) = read(DYN_PREFILL_DRAIN_TIMEOUT_S, text);
            assert_eq!(
                (settings.prefill_drain, warnings),
                (wanted, vec![]),
                "{text:?}"
            );
            let (settings, warnings) = read(DYN_SLEEP_DRAIN_TIMEOUT_SECS, text);
            assert_eq!((settings.sleep, warnings), (wanted, vec![]), "{text:?}");
            let (settings, warnings) = read(DYN_CONNECT_TIMEOUT_SECS, text);
            assert_eq!((settings.connect, warnings), (wanted, vec![]), "{text:?}");
            let (settings, warnings) = read(DYN_DECODE_KEEP_TIMEOUT_SECS, text);
            assert_eq!(
                (settings.decode_keep, warnings),
                (wanted, vec![]),
                "{text:?}"
            );
        }
        let bad = [
            "inf", "-inf", "nan", "infinity", "86400.1", "1e300", "5s", "five", "1,5", "\u{fffd}",
        ];
        for text in bad {
            for name in [
                DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS,
                DYN_PREFILL_DRAIN_TIMEOUT_S,
                DYN_SLEEP_DRAIN_TIMEOUT_SECS,
                DYN_CONNECT_TIMEOUT_SECS,
                DYN_DECODE_KEEP_TIMEOUT_SECS,
            ] {
                let (settings, warnings) = read(name, text);
                assert_eq!(settings, Settings::default(), "{name} {text:?}");
                assert_eq!(warnings.len(), 1, "{name} {text:?}");
                assert!(warnings[0].contains(name.name) && warnings[0].contains(text));
            }
        }
    }

    #[test]
    fn section_5_timeout_is_whole_seconds() {
        for (text, wanted) in [
            ("0", 0),
            ("1", 1),
            ("007", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            let (settings, warnings) = read(DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, text);
            let wanted = Duration::from_secs(wanted);
            assert_eq!((settings.timeout, warnings), (wanted, vec![]), "{text:?}");
        }
        let bad = [
            "+5",
            "-5",
            "5.0",
            "5.",
            " 5",
            "5 ",
            " ",
            "1e1",
            "x",
            "18446744073709551616",
            "٥",
        ];
        for text in bad {
            let (settings, warnings) = read(DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, text);
            assert_eq!(settings, Settings::default(), "{text:?}");
            assert_eq!(warnings.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn section_5_empty_is_unset() {
        for (name, text) in [
            (DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, ""),
            (DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, "  "),
            (DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, ""),
            (DYN_PREFILL_DRAIN_TIMEOUT_S, ""),
            (DYN_CONNECT_TIMEOUT_SECS, " "),
        ] {
            assert_eq!(
                read(name, text),
                (Settings::default(), vec![]),
                "{name} {text:?}"
            );
        }
    }

    #[test]
    fn section_5_a_warning_names_variable_value_and_default() {
        let (_, warnings) = read(DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, "soon");
        assert_eq!(
            warnings,
            [
                "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS is 'soon', which is not a number of seconds \
              from 0 to 86400; using 5 s"
            ]
        );
    }

    proptest! {
        #[test]
        fn section_5_no_value_panics(text in any::<String>(), number in any::<f64>()) {
            for text in [text, number.to_string()] {
                for name in VARIABLES {
                    let (settings, _) = read(name, &text);
                    prop_assert!(settings.grace.as_secs_f64() <= LONGEST);
                    prop_assert!(settings.connect.as_secs_f64() <= LONGEST);
                    prop_assert!(settings.decode_keep.as_secs_f64() <= LONGEST);
                }
            }
        }
    }
}
