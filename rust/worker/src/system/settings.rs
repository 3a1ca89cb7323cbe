//! What the one server of the process is like: as the worker says that opens it, else the environment.

use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;
use dynamo_runtime::error::DynamoError;

use super::address;
use super::shared::Paths;
use super::token::Token;
use crate::config::RuntimeConfig;
use crate::error::invalid_argument;

#[derive(Clone)]
pub(super) struct SystemSettings {
    /// `None`: there is no server.
    pub(super) port: Option<u16>,
    pub(super) host: String,
    pub(super) paths: Paths,
    pub(super) token: Option<Token>,
}

impl SystemSettings {
    pub(super) fn new(config: &RuntimeConfig) -> Result<Self, DynamoError> {
        let environment = RuntimeSettings::from_settings()
            .map_err(|error| invalid_argument(format!("system server: {error:#}")))?;
        let or = |field: &Option<String>, other| field.clone().unwrap_or(other);
        Ok(Self {
            port: match config.system_port {
                Some(port) => u16::try_from(port).ok(),
                None => address::port_of_environment()?,
            },
            host: or(&config.system_host, environment.system_host),
            paths: Paths {
                live: or(&config.system_live_path, environment.system_live_path),
                health: or(&config.system_health_path, environment.system_health_path),
            },
            token: match &config.system_token {
                Some(token) => Some(Token::new(token)),
                None => Token::from_env(),
            },
        })
    }

    /// Makes sure that a worker which comes later sets nothing that the open server is not.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` that names the field.
    pub(super) fn check(&self, later: &RuntimeConfig) -> Result<(), DynamoError> {
        let is_other = |field: &Option<String>, here: &String| {
            field.as_ref().is_some_and(|wanted| wanted != here)
        };
        let port = later.system_port;
        let token = later.system_token.as_ref().map(Token::new);
        let fields = [
            (
                "system_port",
                port.is_some_and(|port| u16::try_from(port).ok() != self.port),
            ),
            ("system_host", is_other(&later.system_host, &self.host)),
            (
                "system_live_path",
                is_other(&later.system_live_path, &self.paths.live),
            ),
            (
                "system_health_path",
                is_other(&later.system_health_path, &self.paths.health),
            ),
            ("system_token", token.is_some() && token != self.token),
        ];
        match fields.into_iter().find(|(_, is_other)| *is_other) {
            None => Ok(()),
            Some((name, _)) => Err(invalid_argument(format!(
                "{name}: it is another than that of the system server which another worker of the \
                 process has opened, and which is one for all; give both the same, or leave it unset \
                 here"
            ))),
        }
    }
}
