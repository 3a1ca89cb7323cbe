//! Clients whose kernel does not have yet what was written to them.

use std::collections::HashSet;

/// The tables of the kernel: a socket that was closed with bytes to send is in them too.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// The peers of local `port` that have not acknowledged everything, each as the kernel writes it.
pub(super) fn peers(port: u16) -> HashSet<String> {
    let mut peers = HashSet::new();
    for table in TABLES {
        // Without IPv6 there is no second table.
        let text = std::fs::read_to_string(table).unwrap_or_default();
        peers.extend(text.lines().filter_map(|line| unsent(line, port)));
    }
    peers
}

/// The peer of a line of the table, where that is a connection of `port` with bytes to send.
fn unsent(line: &str, port: u16) -> Option<String> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, peer, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (queued, _) = fields.next()?.split_once(':')?;
    let queued = u64::from_str_radix(queued, 16).ok()?;
    // The end of a connection that this side has closed counts as one byte.
    let end = match state {
        "01" | "08" => 0,
        "04" | "09" | "0B" => 1,
        _ => return None,
    };
    let (_, number) = local.rsplit_once(':')?;
    let is_here = u16::from_str_radix(number, 16) == Ok(port);
    (is_here && queued > end).then(|| peer.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_line_of_the_kernels_table() {
        let line = |local, state, queue| {
            format!("  3: {local} 0100007F:D2F0 {state} {queue} 01:00000017 00000000  0 0 9 1")
        };
        let peer = || Some("0100007F:D2F0".to_owned());
        let rows = [
            ("0100007F:1F90", "01", "00000010:00000000", peer()),
            ("0100007F:1F90", "01", "00000000:00000010", None),
            ("0100007F:1F91", "01", "00000010:00000000", None),
            ("0100007F:1F90", "0A", "00000010:00000000", None),
            ("0100007F:1F90", "04", "00000001:00000000", None),
            ("0100007F:1F90", "04", "00000002:00000000", peer()),
        ];
        for (local, state, queue, wanted) in rows {
            assert_eq!(
                unsent(&line(local, state, queue), 0x1F90),
                wanted,
                "{local} {state}"
            );
        }
        assert_eq!(
            unsent("  sl  local_address rem_address   st tx_queue", 8080),
            None
        );
    }

    #[test]
    fn a_peer_that_does_not_read_is_seen_also_after_the_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        assert_eq!(peers(port).len(), 0);
        accepted.set_nonblocking(true).unwrap();
        while accepted.write(&[0; 65536]).is_ok() {}
        assert_eq!(peers(port).len(), 1);
        drop(accepted);
        assert_eq!(peers(port).len(), 1);
        drop(client);
        while !peers(port).is_empty() {
            std::thread::yield_now();
        }
    }
}
