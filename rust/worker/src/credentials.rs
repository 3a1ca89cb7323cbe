//! Names and passwords inside the addresses of etcd and NATS.
//!
//! The runtime logs these addresses as they are; it has variables of their own for credentials, to
//! which they go.

use dynamo_backend_environment::{
    ETCD_AUTH_PASSWORD, ETCD_AUTH_USERNAME, ETCD_ENDPOINTS, NATS_AUTH_PASSWORD, NATS_AUTH_TOKEN,
    NATS_AUTH_USERNAME, NATS_SERVER, Variable,
};

/// The variable of the addresses, and those of the name, the password, and a token alone.
struct Variables {
    addresses: Variable,
    user: Variable,
    password: Variable,
    token: Option<Variable>,
}

const OF_SERVERS: [Variables; 2] = [
    Variables {
        addresses: ETCD_ENDPOINTS,
        user: ETCD_AUTH_USERNAME,
        password: ETCD_AUTH_PASSWORD,
        token: None,
    },
    Variables {
        addresses: NATS_SERVER,
        user: NATS_AUTH_USERNAME,
        password: NATS_AUTH_PASSWORD,
        token: Some(NATS_AUTH_TOKEN),
    },
];

/// Moves credentials out of the addresses; where the variables for them have something, that counts.
/// Writes to the environment.
pub(crate) fn take_out() {
    for variables in &OF_SERVERS {
        let Some(addresses) = variables.addresses.text() else {
            continue;
        };
        let (bare, found) = separated(&addresses);
        if bare == addresses {
            continue;
        }
        variables.addresses.set(&bare);
        let given = [
            Some(variables.user),
            Some(variables.password),
            variables.token,
        ];
        if given.iter().flatten().any(is_set) {
            continue;
        }
        match (found, variables.token) {
            (Some((user, Some(password))), _) => {
                variables.user.set(&user);
                variables.password.set(&password);
            }
            (Some((token, None)), Some(variable)) => variable.set(&token),
            _ => {}
        }
    }
}

/// Addresses, separated by commas, as they may be shown.
pub fn without(addresses: &str) -> String {
    separated(addresses).0
}

fn is_set(variable: &Variable) -> bool {
    variable.value().is_some_and(|value| !value.is_empty())
}

/// A user or token, and a password.
type Credentials = (String, Option<String>);

/// The addresses, separated by commas, without credentials, and the first of those.
fn separated(addresses: &str) -> (String, Option<Credentials>) {
    let mut found = None;
    let bare: Vec<String> = addresses
        .split(',')
        .map(|address| {
            let at = address.find("://").map_or(0, |at| at + 3);
            let (scheme, rest) = address.split_at(at);
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let Some((user, _)) = rest[..end].rsplit_once('@') else {
                return address.to_owned();
            };
            if found.is_none() && !user.is_empty() {
                found = Some(match user.split_once(':') {
                    Some((user, password)) => (decoded(user), Some(decoded(password))),
                    None => (decoded(user), None),
                });
            }
            format!("{scheme}{}", &rest[user.len() + 1..])
        })
        .collect();
    (bare.join(","), found)
}

/// Without the percent signs of URLs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match digits.map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(value)) if byte == b'%' => {
                bytes.push(value);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_separated_from_addresses() {
        let both = |user: &str, password: &str| Some((user.into(), Some(password.into())));
        for (addresses, bare, credentials) in [
            ("http://a:1", "http://a:1", None),
            ("a:1", "a:1", None),
            ("nats://u:p@a:1", "nats://a:1", both("u", "p")),
            ("u:p@a:1", "a:1", both("u", "p")),
            (
                "nats://token@a:1",
                "nats://a:1",
                Some(("token".into(), None)),
            ),
            ("http://u:p%40%3a@a:1/x", "http://a:1/x", both("u", "p@:")),
            ("http://u:p@q@a:1", "http://a:1", both("u", "p@q")),
            (
                "http://a:1,http://u:p@b:1",
                "http://a:1,http://b:1",
                both("u", "p"),
            ),
            (
                "http://u:p@a,http://v:q@b",
                "http://a,http://b",
                both("u", "p"),
            ),
            ("http://u:100%@a", "http://a", both("u", "100%")),
            ("http://a/x@y", "http://a/x@y", None),
            ("http://@a", "http://a", None),
            ("", "", None),
        ] {
            assert_eq!(
                separated(addresses),
                (bare.into(), credentials),
                "{addresses}"
            );
        }
    }
}
