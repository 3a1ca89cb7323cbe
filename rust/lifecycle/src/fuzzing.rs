//! What the fuzz targets call: whatever comes from outside as text, from any bytes.
//!
//! Each function panics where something must not be: that is its finding. `fuzz/` feeds them what
//! a fuzzer makes up, guided by coverage; the ordinary tests feed them what proptest draws. Only
//! those two builds have this module.

use std::io;
use std::time::Duration;

use dynamo_backend_environment::{DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT, Variable};
use serde_json::Value;
use tokio::time::Instant;

use crate::canary::{self, Canary, HEALTH_CHECK_KEY};
use crate::controls::{self, Out, Policy, Presence};
use crate::settings::{self, Settings};
use crate::shutdown::Budget;

/// The variables of the environment: their values, divided by zero bytes.
pub fn settings(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let values = settings::VARIABLES.map(|variable| {
        let value = parts
            .next()
            .map(|part| String::from_utf8_lossy(part).into_owned());
        (variable, value)
    });
    let value = |variable: &Variable| {
        let found = values.iter().find(|(known, _)| known == variable);
        found.and_then(|(_, value)| value.clone())
    };
    let (settings, warnings) = Settings::from_lookup(value);

    let longest = Duration::from_secs(86_400);
    for duration in [settings.grace, settings.prefill_drain, settings.connect] {
        assert!(duration <= longest, "{settings:?}");
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let timeout = value(&DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT).filter(|text| digits(text));
    match timeout.and_then(|text| text.parse().ok()) {
        Some(seconds) => assert_eq!(settings.timeout, Duration::from_secs(seconds)),
        None => assert_eq!(settings.timeout, Settings::default().timeout),
    }
    for warning in &warnings {
        let named = settings::VARIABLES
            .iter()
            .find(|variable| warning.starts_with(variable.name));
        let variable = named.expect("a warning names its variable");
        assert!(value(variable).is_some(), "{warning}");
    }

    let budget = Budget::new(&settings);
    let elapsed = Duration::from_secs(parts.next().map_or(0, |part| part.len() as u64));
    assert_eq!(
        budget.work().saturating_add(budget.cleanup()),
        settings.timeout
    );
    assert!(budget.wait(elapsed) <= budget.drain(elapsed));
    assert!(budget.quiescence(elapsed) <= budget.drain(elapsed));
    assert!(budget.deadline() >= budget.drain(elapsed));
}

/// The canary's payload: the variable's value, and behind a zero byte the file that it may name.
pub fn canary(data: &[u8]) {
    let cut = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (variable, file) = data.split_at(cut);
    let variable = String::from_utf8_lossy(variable);
    let read = |_: &std::path::Path| {
        let text = String::from_utf8(file.get(1..).unwrap_or_default().to_vec());
        text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };

    let (chosen, warnings) = canary::from_operator(None, Some(&variable), read);
    assert!(
        chosen != Canary::Off,
        "a bad variable leaves it to the engine"
    );
    assert!(warnings.len() <= 1 && (warnings.is_empty() || chosen == Canary::AskEngine));
    is_marked(&chosen);

    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let no_file = |_: &std::path::Path| panic!("the configuration goes before the variable");
    let (configured, warnings) = canary::from_operator(Some(&value), Some("@file"), no_file);
    assert_eq!(configured == Canary::Off, !value.is_object());
    assert_eq!(warnings.is_empty(), value.is_object());
    is_marked(&configured);

    let (payload, warning) = canary::from_engine::<String>(Ok(Some(value.clone())));
    assert_eq!(payload.is_some(), warning.is_none());
    let marked = payload.map_or(Canary::Off, Canary::On);
    assert_eq!(marked, configured, "both sources are treated alike");
}

fn is_marked(canary: &Canary) {
    if let Canary::On(payload) = canary {
        assert_eq!(payload.get(HEALTH_CHECK_KEY), Some(&Value::Bool(true)));
    }
}

/// A control: its name, its body and the engine's reply, divided by newlines; and the bytes as the
/// steps of a presence.
pub fn controls(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let json = |part: Option<&[u8]>| serde_json::from_slice(part?).ok();
    let body = json(parts.next()).unwrap_or_else(controls::empty_body);
    let reply: Value = json(parts.next()).unwrap_or(Value::Null);

    let policy = Policy::of(&name);
    if let Err(refusal) = policy.check_body(&body) {
        assert!(policy == Policy::UnregisterFirst && !body.is_object());
        assert!(controls::is_error_reply(&refusal));
    }
    if controls::lets_register(&reply) {
        assert!(!controls::is_error_reply(&reply) && !controls::says_sleeping(&reply));
    }
    for failed in [
        controls::unregister_failed(&name, &reply),
        controls::register_failed(&name, &reply),
    ] {
        assert!(controls::is_error_reply(&failed) && !controls::lets_register(&failed));
    }
    presence(&name, data);
}

fn presence(name: &str, steps: &[u8]) {
    let mut presence = Presence::new();
    let mut closed = false;
    for step in steps {
        let why = [Out::Asleep, Out::Drained][usize::from(step / 5 % 2)];
        match step % 5 {
            0 => presence.serving(),
            1 if presence.admit(name).is_ok() => {
                presence.leaves();
                assert!(!presence.is_wanted());
                presence.left(Instant::now());
                presence.is_out(why);
                assert!(!presence.must_unregister() && !presence.is_wanted());
            }
            2 => {
                if let Ok(registers) = presence.may_return(name, why) {
                    assert!(!closed, "nothing returns after shutdown began");
                    if registers {
                        presence.registered();
                    }
                    presence.back(why);
                    assert!(!registers || presence.must_unregister() && presence.is_wanted());
                }
            }
            3 => {
                // Registering was tried, and failed.
                let _ = presence.may_return(name, why);
            }
            4 => {
                presence.close();
                closed = true;
            }
            _ => {}
        }
        if let Err(refusal) = presence.admit(name) {
            assert!(controls::is_error_reply(&refusal));
        }
        assert!(!(closed && (presence.admit(name).is_ok() || presence.is_wanted())));
        assert!(!presence.is_wanted() || presence.must_unregister());
        assert_eq!(presence.is_wanted(), presence.why_not_wanted().is_none());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Bytes of any kind, and text that is nearly right.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let json = prop_oneof![
            Just("{}"),
            Just("["),
            Just("\"status\": \"ERROR\""),
            Just("{\"_HEALTH_CHECK\": 0}"),
            Just("null"),
            Just("@file"),
            Just("\0"),
            Just("\n"),
            Just("sleep"),
            Just("1e309"),
            Just("-0"),
            Just(" 7 "),
            Just("{\"is_sleeping\": true}"),
            Just("86400"),
            Just("\u{fffd}"),
        ];
        prop_oneof![
            vec(any::<u8>(), 0..64),
            any::<String>().prop_map(String::into_bytes),
            vec(json, 0..8).prop_map(|parts| parts.concat().into_bytes()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn section_5_no_environment_panics(data in bytes()) {
            settings(&data);
        }

        #[test]
        fn section_8_no_payload_panics(data in bytes()) {
            canary(&data);
        }

        #[test]
        fn section_7_no_control_panics(data in bytes()) {
            controls(&data);
        }
    }
}
