//! The address of an engine's ZMQ socket.

use std::net::Ipv6Addr;

/// Bytes that the path of a Unix socket has at most on Linux.
const LONGEST_PATH: usize = 107;

/// The address to connect to for what an engine binds to. libzmq itself finds most mistakes never:
/// it tries again for ever.
pub(super) fn to_connect(address: &str) -> Result<String, String> {
    let refused = |why: &str| {
        Err(format!(
            "'{}': {why}; accepted: tcp://HOST:PORT, ipc://PATH",
            address.escape_debug()
        ))
    };
    let Some((transport, place)) = address.split_once("://") else {
        return refused("has no transport");
    };
    match transport {
        "tcp" => match tcp(place) {
            Ok(place) => Ok(format!("tcp://{place}")),
            Err(why) => refused(why),
        },
        "ipc" => match ipc(place) {
            Ok(()) => Ok(address.to_owned()),
            Err(why) => refused(why),
        },
        "inproc" => refused("is only seen by sockets of the engine's own ZMQ context"),
        _ => refused("has a transport that is not supported"),
    }
}

fn tcp(place: &str) -> Result<String, &'static str> {
    // An address to connect from may stand in front.
    let (from, place) = match place.rsplit_once(';') {
        Some((from, place)) => (format!("{from};"), place),
        None => (String::new(), place),
    };
    let (host, port) = place.rsplit_once(':').ok_or("has no port")?;
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|byte| byte.is_ascii_digit()) => {}
        _ if port == "*" || port == "0" => {
            return Err("has no port of its own; give the one that the socket was bound to");
        }
        _ => return Err("has no port from 1 to 65535"),
    }
    if host == "*" {
        return Ok(format!("{from}127.0.0.1:{port}"));
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        let (literal, _zone) = inner.split_once('%').unwrap_or((inner, ""));
        return match literal.parse::<Ipv6Addr>() {
            Ok(_) if host.ends_with(']') => Ok(format!("{from}{host}:{port}")),
            _ => Err("has no IPv6 address in its brackets"),
        };
    }
    if host.contains(':') {
        return Err("has an IPv6 address without brackets");
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if !host.starts_with(|first: char| first.is_ascii_alphanumeric()) || !host.bytes().all(known) {
        return Err("has no host");
    }
    Ok(format!("{from}{host}:{port}"))
}

fn ipc(path: &str) -> Result<(), &'static str> {
    match path {
        "" => Err("has no path"),
        "*" => Err("has no path of its own; give the one that the socket was bound to"),
        _ if path.contains('\0') => Err("has a zero byte in its path"),
        _ if path.len() > LONGEST_PATH => Err("has a path of more than 107 bytes"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_socket_connects_to_stay_as_they_are() {
        for address in [
            "tcp://127.0.0.1:5557",
            "tcp://node-3.cluster_a.local:65535",
            "tcp://[::1]:5557",
            "tcp://[fe80::1%eth0]:5557",
            "tcp://10.0.0.1:0;10.0.0.2:5557",
            "ipc:///tmp/kv-events",
            "ipc://@kv-events",
        ] {
            assert_eq!(to_connect(address).as_deref(), Ok(address));
        }
    }

    #[test]
    fn every_interface_is_this_machine() {
        assert_eq!(
            to_connect("tcp://*:5557").as_deref(),
            Ok("tcp://127.0.0.1:5557")
        );
    }

    #[test]
    fn what_cannot_be_connected_to_is_refused_and_says_why() {
        for (address, why) in [
            ("", "no transport"),
            ("5557", "no transport"),
            ("localhost:5557", "no transport"),
            ("tcp://", "no port"),
            ("tcp://localhost", "no port"),
            ("tcp://:5557", "no host"),
            ("tcp://-a:5557", "no host"),
            ("tcp://a b:5557", "no host"),
            ("tcp://a\0b:5557", "no host"),
            ("tcp://localhost:", "no port from 1 to 65535"),
            ("tcp://localhost:x", "no port from 1 to 65535"),
            ("tcp://localhost:+1", "no port from 1 to 65535"),
            ("tcp://localhost:65536", "no port from 1 to 65535"),
            ("tcp://localhost:*", "bound to"),
            ("tcp://localhost:0", "bound to"),
            ("tcp://::1:5557", "without brackets"),
            ("tcp://[::1:5557", "in its brackets"),
            ("tcp://[host]:5557", "in its brackets"),
            ("ipc://", "no path"),
            ("ipc://*", "bound to"),
            ("ipc://a\0b", "zero byte"),
            ("inproc://kv", "ZMQ context"),
            ("udp://127.0.0.1:5557", "not supported"),
            ("TCP://127.0.0.1:5557", "not supported"),
        ] {
            let refusal = to_connect(address).unwrap_err();
            assert!(refusal.contains(why), "{address}: {refusal}");
            assert!(refusal.starts_with('\''), "{refusal}");
        }
        let long = format!("ipc://{}", "x".repeat(LONGEST_PATH + 1));
        assert!(to_connect(&long).unwrap_err().contains("107 bytes"));
    }
}
