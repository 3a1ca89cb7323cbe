//! What is one for the process, of several workers that run in it at once.

use std::fmt::Debug;

use dynamo_runtime::error::DynamoError;

use super::RuntimeConfig;
use crate::error::invalid_argument;

/// Gives each of them what any of them sets of discovery, planes and system server.
///
/// # Errors
///
/// `InvalidArgument` that names a field which two of them set differently.
pub fn agree(configs: &mut [&mut RuntimeConfig]) -> Result<(), DynamoError> {
    one(configs, "discovery_backend", |c| &mut c.discovery_backend)?;
    one(configs, "request_plane", |c| &mut c.request_plane)?;
    one(configs, "response_plane", |c| &mut c.response_plane)?;
    one(configs, "event_plane", |c| &mut c.event_plane)?;
    one(configs, "system_port", |c| &mut c.system_port)?;
    one(configs, "system_host", |c| &mut c.system_host)?;
    one(configs, "system_live_path", |c| &mut c.system_live_path)?;
    one(configs, "system_health_path", |c| &mut c.system_health_path)?;
    one(configs, "system_token", |c| &mut c.system_token)
}

fn one<T: Clone + PartialEq + Debug>(
    configs: &mut [&mut RuntimeConfig],
    name: &str,
    field: fn(&mut RuntimeConfig) -> &mut Option<T>,
) -> Result<(), DynamoError> {
    let mut agreed = None;
    for config in configs.iter_mut() {
        match (&agreed, field(config)) {
            (_, None) => {}
            (None, Some(value)) => agreed = Some(value.clone()),
            (Some(first), Some(value)) if first == value => {}
            (Some(first), Some(value)) => {
                return Err(invalid_argument(format!(
                    "{name}: {first:?} of one worker and {value:?} of another, but it is one for \
                     the process; give them the same, or set it for one of them"
                )));
            }
        }
    }
    for config in configs.iter_mut() {
        *field(config) = agreed.clone();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_sets_is_for_all_and_what_is_each_ones_own_stays() {
        let mut first = RuntimeConfig {
            system_port: Some(0),
            shutdown_timeout_seconds: Some(1),
            ..Default::default()
        };
        let mut second = RuntimeConfig {
            system_port: Some(0),
            system_token: Some("token".into()),
            shutdown_timeout_seconds: Some(2),
            ..Default::default()
        };
        let mut third = RuntimeConfig::default();
        agree(&mut [&mut first, &mut second, &mut third]).unwrap();
        for config in [&first, &second, &third] {
            assert_eq!(config.system_port, Some(0));
            assert_eq!(config.system_token, Some("token".into()));
        }
        let timeouts = [first, second, third].map(|config| config.shutdown_timeout_seconds);
        assert_eq!(timeouts, [Some(1), Some(2), None]);
    }

    #[test]
    fn two_that_differ_are_told_without_their_secrets() {
        let mut first = RuntimeConfig {
            discovery_backend: Some("mem".into()),
            system_token: Some("left".into()),
            ..Default::default()
        };
        let mut second = RuntimeConfig {
            system_token: Some("right".into()),
            ..Default::default()
        };
        let refused = agree(&mut [&mut first, &mut second]).unwrap_err();
        let message = refused.message();
        assert!(message.starts_with("system_token: "), "{message}");
        assert!(!message.contains("left") && !message.contains("right"));
        second.discovery_backend = Some("etcd".into());
        let refused = agree(&mut [&mut first, &mut second]).unwrap_err();
        let begin = "discovery_backend: \"mem\" of one worker and \"etcd\" of another";
        assert!(refused.message().starts_with(begin), "{refused}");
    }
}
