//! The token that engine controls may require.

use std::os::unix::ffi::OsStrExt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use dynamo_backend_environment::DYN_SYSTEM_TOKEN;
use subtle::ConstantTimeEq;

use crate::config::Secret;

const SCHEME: &[u8] = b"Bearer ";

/// A secret. It has no `Debug`, so that no log can show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(Vec<u8>);

impl Token {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(secret.expose().trim().as_bytes().to_owned())
    }

    /// The operator's token; `None` where none is set or it is blank.
    pub(super) fn from_env() -> Option<Self> {
        let token = DYN_SYSTEM_TOKEN.value()?;
        let token = token.as_bytes().trim_ascii();
        (!token.is_empty()).then(|| Self(token.to_owned()))
    }

    /// Whether a request carries the token.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked(SCHEME.len()))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
            .is_some_and(|(_, token)| token.trim_ascii().ct_eq(&self.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(header: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        Token(b"s3cret".to_vec()).admits(&headers)
    }

    #[test]
    fn section_12_6_only_the_whole_token_is_admitted() {
        for header in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert!(admits(Some(header)), "{header:?}");
        }
        let refused = [
            "s3cret",
            "Basic s3cret",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret2",
            "Bearer S3cret",
        ];
        for header in refused {
            assert!(!admits(Some(header)), "{header:?}");
        }
        assert!(!admits(None));
    }
}
