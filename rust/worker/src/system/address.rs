//! Where the system server listens. The runtime's own is kept from starting.

use std::io;

use dynamo_backend_environment::DYN_SYSTEM_PORT;
use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::error::invalid_argument;
use crate::hosts;

/// Written in place of the port. For the runtime it is off like every negative value; a program
/// that sets the variable again between two runs is told apart by it.
const TAKEN_OVER: &str = "-2";

static PORT: Mutex<Port> = Mutex::new(Port::Off);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    Off,
    On(u16),
    /// What the variable says.
    Bad(String),
}

impl Port {
    fn parse(text: &str) -> Self {
        match text.trim().parse::<i64>() {
            Ok(number) if number < 0 => Self::Off,
            Ok(number) => u16::try_from(number).map_or_else(|_| Self::Bad(text.into()), Self::On),
            Err(_) => Self::Bad(text.into()),
        }
    }
}

/// Keeps the configured port for this crate's server, and switches the runtime's off.
///
/// Called again it finds what was kept, and takes what was set in between.
pub(crate) fn take_over() {
    let port = match DYN_SYSTEM_PORT.text().as_deref() {
        Some(TAKEN_OVER) => return,
        None | Some("") => {
            // The runtime has configuration files too.
            let configured = RuntimeSettings::from_settings();
            Port::parse(
                &configured
                    .map_or(-1, |settings| settings.system_port)
                    .to_string(),
            )
        }
        Some(text) => Port::parse(text),
    };
    *PORT.lock() = port;
    DYN_SYSTEM_PORT.set(TAKEN_OVER);
}

/// The port that was kept; `None`: there is to be no server.
pub(super) fn port_of_environment() -> Result<Option<u16>, DynamoError> {
    match &*PORT.lock() {
        Port::Off => Ok(None),
        Port::On(port) => Ok(Some(*port)),
        Port::Bad(text) => Err(invalid_argument(format!(
            "{DYN_SYSTEM_PORT} is '{text}', which is no port; accepted: 0 to 65535, where 0 is any \
             free port, or -1 for no system server"
        ))),
    }
}

/// Listens where the system server is to listen: an address, a name, or a network interface.
pub(super) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    match hosts::of_interface(host) {
        Some(address) => TcpListener::bind((address, port)).await,
        None => TcpListener::bind((host, port)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_off_on_or_bad() {
        let bad = |text: &str| Port::Bad(text.into());
        let rows = [
            ("-1", Port::Off),
            ("-70000", Port::Off),
            ("0", Port::On(0)),
            (" 9090 ", Port::On(9090)),
            ("40000", Port::On(40000)),
            ("65535", Port::On(65535)),
            ("65536", bad("65536")),
            ("http", bad("http")),
            ("80.5", bad("80.5")),
        ];
        for (text, wanted) in rows {
            assert_eq!(Port::parse(text), wanted, "{text:?}");
        }
    }
}
