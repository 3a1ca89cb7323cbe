//! No Nagle where requests come in.
//!
//! Neither the runtime's TCP listener nor that of its OpenAI frontend sets `TCP_NODELAY`, and what
//! is written second then waits for the client's delayed acknowledgement: 40 ms before the first
//! token. On Linux an accepted socket inherits the option from its listener, which is found here
//! among the process's file descriptors by its address.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};

use dynamo_runtime::component::TransportType;
use socket2::SockRef;

/// Sets the option on the listener of `transport`, where that is TCP; a warning says so where it
/// could not be set.
pub(crate) fn on_request_plane(transport: &TransportType) {
    if let TransportType::Tcp(location) = transport {
        let address = location.split('/').next().unwrap_or_default();
        let parsed = address.parse().map_err(io::Error::other);
        warn_if_not(
            "the request plane",
            address,
            parsed.and_then(set_on_listener),
        );
    }
}

/// Sets the option on the listener of the frontend in the process; a warning says so where it could
/// not be set.
pub(crate) fn on_frontend(address: SocketAddr) {
    warn_if_not("the OpenAI API", address, set_on_listener(address));
}

fn warn_if_not(listens: &str, address: impl Display, set: io::Result<()>) {
    if let Err(error) = set {
        tracing::warn!(
            %address,
            %error,
            "TCP_NODELAY could not be set on {listens}: first tokens may come 40 ms later"
        );
    }
}

fn set_on_listener(address: SocketAddr) -> io::Result<()> {
    let mut found = false;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        found |= set_if_listener(fd, address)?;
    }
    if found {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no socket of this process listens there",
        ))
    }
}

fn set_if_listener(fd: RawFd, address: SocketAddr) -> io::Result<bool> {
    // SAFETY: the descriptor was listed a moment ago. If it was closed meanwhile the calls fail,
    // and if it is another socket by now they find that it does not listen there.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let socket = SockRef::from(&fd);
    let local = socket.local_addr().ok().and_then(|local| local.as_socket());
    let listens = local.is_some_and(|local| {
        local.port() == address.port()
            && (local.ip() == address.ip() || local.ip().is_unspecified())
    });
    if !listens || !socket.is_listener().unwrap_or(false) {
        return Ok(false);
    }
    socket.set_nodelay(true)?;
    socket.nodelay()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn section_12_13_a_socket_accepted_afterwards_has_the_option() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        set_on_listener(address).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
    }

    #[test]
    fn an_address_where_nobody_listens_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = set_on_listener(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
