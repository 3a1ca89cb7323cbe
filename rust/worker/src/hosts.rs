//! Hosts that the operator names for the runtime's sockets. The runtime knows addresses and network
//! interfaces; a name is resolved here, and what cannot be had is told before the engine starts.

use std::net::{IpAddr, TcpListener, ToSocketAddrs};

use dynamo_backend_environment::{
    DYN_EVENT_PLANE_HOST, DYN_TCP_RESPONSE_STREAM_HOST, DYN_TCP_RPC_HOST, DYN_TCP_RPC_PORT,
    Variable,
};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::network::manager::get_actual_tcp_rpc_port;
use dynamo_runtime::utils::ip_resolver::{DefaultIpResolver, IpResolver, local_ip_for_advertise};

use crate::error::invalid_argument;

/// What a variable's value is to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Interface(IpAddr),
    /// A name, as resolved.
    Name(IpAddr),
}

/// Writes addresses in place of names, which the runtime does not resolve. Writes to the environment.
pub(crate) fn resolve_names() {
    for variable in [
        DYN_TCP_RPC_HOST,
        DYN_TCP_RESPONSE_STREAM_HOST,
        DYN_EVENT_PLANE_HOST,
    ] {
        // What has no address is told by `check`.
        if let Some(Ok(Host::Name(address))) = value(&variable).as_deref().map(Host::of) {
            variable.set(&address.to_string());
        }
    }
}

/// The address of a network interface; `None`: there is none of that name.
pub(crate) fn of_interface(name: &str) -> Option<IpAddr> {
    let interfaces = DefaultIpResolver.list_afinet_netifas().ok()?;
    let addresses = interfaces.into_iter().filter(|(known, _)| known == name);
    preferred(addresses.map(|(_, address)| address))
}

/// Makes sure that the runtime can listen where it is told to.
///
/// # Errors
///
/// `InvalidArgument` that names the variable.
pub(crate) fn check() -> Result<(), DynamoError> {
    // Bound once for the process: by now it may be in use by ourselves.
    let port = value(&DYN_TCP_RPC_PORT).filter(|_| get_actual_tcp_rpc_port().is_err());
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(0);
    for (variable, port) in [
        (DYN_TCP_RPC_HOST, Some(port)),
        (DYN_TCP_RESPONSE_STREAM_HOST, Some(0)),
        (DYN_EVENT_PLANE_HOST, None),
    ] {
        let Some(host) = value(&variable) else {
            continue;
        };
        let usable = Host::of(&host).and_then(|found| {
            match (found, port) {
            (Host::Name(_), _) => Err(
                "is a name, which process::prepare_environment resolves before the runtime is built"
                    .to_owned(),
            ),
            (Host::Address(address), _) if !is_of_one(address) => {
                Err("is no address of one machine".to_owned())
            }
            (Host::Address(address), Some(port)) => match TcpListener::bind((address, port)) {
                Ok(_) => Ok(()),
                // Of descriptors there may be more in a moment.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    Ok(())
                }
                Err(error) if port == 0 => Err(format!("cannot be listened on: {error}")),
                Err(error) => Err(format!(
                    "cannot be listened on with {DYN_TCP_RPC_PORT} {port}: {error}"
                )),
            },
            (Host::Address(address), None) if address.is_unspecified() => {
                Err("is no address that others can reach".to_owned())
            }
            _ => Ok(()),
        }
        });
        usable.map_err(|why| {
            invalid_argument(format!(
                "{variable} is '{host}', which {why}; accepted: an address or a name of this \
                 machine, or one of its network interfaces"
            ))
        })?;
    }
    Ok(())
}

/// The address that the runtime gives others for requests.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn for_others() -> Result<String, DynamoError> {
    check()?;
    match value(&DYN_TCP_RPC_HOST).as_deref().map(Host::of) {
        Some(Ok(Host::Address(address) | Host::Interface(address) | Host::Name(address)))
            if !address.is_unspecified() =>
        {
            Ok(address.to_string())
        }
        _ => Ok(local_ip_for_advertise()),
    }
}

/// Unset and empty are the runtime's own choice.
fn value(variable: &Variable) -> Option<String> {
    let value = variable.text()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

impl Host {
    fn of(text: &str) -> Result<Self, String> {
        if let Some(address) = literal(text) {
            return Ok(Self::Address(address));
        }
        if let Some(address) = of_interface(text) {
            return Ok(Self::Interface(address));
        }
        let resolved = (text, 0)
            .to_socket_addrs()
            .map_err(|error| format!("is no address and no interface, and no name: {error}"))?;
        preferred(resolved.map(|address| address.ip()))
            .map(Self::Name)
            .ok_or_else(|| "is a name without an address".to_owned())
    }
}

fn literal(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse().ok()
}

/// As the runtime wants them: a link-local address needs an interface beside it.
fn is_of_one(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
    }
}

/// As the runtime prefers them.
fn preferred(addresses: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    addresses.min_by_key(IpAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_an_interface_or_a_name() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let rows = [
            ("127.0.0.1", Host::Address(loopback)),
            ("0.0.0.0", Host::Address([0, 0, 0, 0].into())),
            ("[::1]", Host::Address("::1".parse().unwrap())),
            ("::1", Host::Address("::1".parse().unwrap())),
            ("lo", Host::Interface(loopback)),
            ("localhost", Host::Name(loopback)),
        ];
        for (text, wanted) in rows {
            assert_eq!(Host::of(text), Ok(wanted), "{text}");
        }
        for text in ["no-such-host.invalid", "[127.0.0.1", "1.2.3.4.5", "a b"] {
            let refused = Host::of(text).unwrap_err();
            assert!(refused.contains("no name"), "{text}: {refused}");
        }
    }
}
