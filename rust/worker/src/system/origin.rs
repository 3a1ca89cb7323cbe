//! Whether a request comes from a web page of somewhere else.
//!
//! A browser sends what any page asks it to, also to the loopback of the machine that it runs on. It
//! says so in headers that no page can set or leave out; other clients do not have them.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser sends it for a page that is not this server's own.
pub(super) fn is_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE).map(|site| site.as_bytes());
    let origin = headers.get(ORIGIN).map(|origin| origin.as_bytes());
    // `none`: a person typed the address.
    site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
        || origin.is_some_and(|origin| !is_own(origin, headers))
}

/// Whether a page of `origin` is this server's. A name may be anybody's, and lead here only now (DNS
/// rebinding); an address and `localhost` are what they say.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_what_it_says =
        name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok();
    is_what_it_says
        && origin
            .strip_prefix(b"http://")
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        is_elsewhere(&headers)
    }

    #[test]
    fn fault_38_a_page_is_elsewhere_unless_it_is_this_servers_own() {
        let here = ("host", "127.0.0.1:9090");
        assert!(!elsewhere(&[here]));
        assert!(!elsewhere(&[here, ("origin", "http://127.0.0.1:9090")]));
        assert!(!elsewhere(&[here, ("sec-fetch-site", "same-origin")]));
        assert!(!elsewhere(&[here, ("sec-fetch-site", "none")]));
        let local = ("host", "localhost:9090");
        assert!(!elsewhere(&[local, ("origin", "http://localhost:9090")]));
        let v6 = ("host", "[::1]:9090");
        assert!(!elsewhere(&[v6, ("origin", "http://[::1]:9090")]));

        for origin in [
            "http://evil.example",
            "http://127.0.0.1:8000",
            "https://127.0.0.1:9090",
            "http://127.0.0.1",
            "null",
            "",
        ] {
            assert!(elsewhere(&[here, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "anything"] {
            assert!(elsewhere(&[here, ("sec-fetch-site", site)]), "{site}");
        }
    }

    #[test]
    fn fault_38_a_name_that_was_bound_anew_is_elsewhere() {
        let rebound = ("host", "evil.example:9090");
        assert!(elsewhere(&[
            rebound,
            ("origin", "http://evil.example:9090"),
            ("sec-fetch-site", "same-origin"),
        ]));
        assert!(elsewhere(&[("origin", "http://127.0.0.1:9090")]));
        assert!(!elsewhere(&[rebound]));
    }
}
