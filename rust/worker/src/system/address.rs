//! Where the system server listens. The runtime's own is kept from starting.

use std::net::SocketAddr;

use dynamo_backend_environment::{DYN_SYSTEM_HOST, DYN_SYSTEM_PORT};
use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::error::invalid_argument;

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

#[cfg(test)]
pub(super) fn listen_on_any_port() {
    *PORT.lock() = Port::On(0);
}

/// Listens where the system server is to listen; `None` where there is to be none.
pub(super) async fn listen(host: &str) -> Result<Option<(TcpListener, SocketAddr)>, DynamoError> {
    let port = match PORT.lock().clone() {
        Port::Off => return Ok(None),
        Port::On(port) => port,
        Port::Bad(text) => {
            return Err(invalid_argument(format!(
                "{DYN_SYSTEM_PORT} is '{text}', which is no port; accepted: 0 to 65535, where 0 is any \
                 free port, or -1 for no system server"
            )));
        }
    };
    // Tests share a process, whose environment none of them may change.
    let host = if cfg!(test) { "127.0.0.1" } else { host };
    let listen = async {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen.await.map(Some).map_err(|error: std::io::Error| {
        invalid_argument(format!(
            "system server: cannot listen on {host}:{port}: {error}; choose another port with \
             {DYN_SYSTEM_PORT} (0: any free port, -1: no system server) or another address with \
             {DYN_SYSTEM_HOST}, or stop what uses it"
        ))
    })
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
