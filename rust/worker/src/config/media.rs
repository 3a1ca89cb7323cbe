//! How a frontend fetches and decodes the media of a request, as the card tells it.

use std::collections::HashSet;
use std::time::Duration;

use dynamo_llm::preprocessor::media::{MediaDecoder, MediaFetcher};
use dynamo_runtime::error::DynamoError;
use serde::Deserialize;
use serde_json::Value;

use crate::error::invalid_argument;

/// What the operator may say of fetching; the rest is Dynamo's default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetching {
    user_agent: Option<String>,
    allow_direct_ip: Option<bool>,
    allow_direct_port: Option<bool>,
    allow_private_ips: Option<bool>,
    allowed_media_domains: Option<HashSet<String>>,
    timeout_seconds: Option<f64>,
}

/// Reads `media_decoder`: a kind of media, and how it is decoded.
pub(super) fn decoder(value: &Value) -> Result<MediaDecoder, DynamoError> {
    let kinds = value.as_object().filter(|kinds| !kinds.is_empty());
    let Some(kinds) = kinds else {
        return Err(refused("media_decoder", value, "names no kind of media"));
    };
    if let Some(kind) = kinds.keys().find(|kind| *kind != "image") {
        let what = format!("has '{kind}', which this build of Dynamo's crates cannot describe");
        return Err(refused("media_decoder", value, &what));
    }
    MediaDecoder::deserialize(value)
        .map_err(|error| refused("media_decoder", value, &format!("cannot be read: {error}")))
}

/// Reads `media_fetcher`.
pub(super) fn fetcher(value: &Value) -> Result<MediaFetcher, DynamoError> {
    let refused = |what: &str| refused("media_fetcher", value, what);
    let given = Fetching::deserialize(value)
        .map_err(|error| refused(&format!("cannot be read: {error}")))?;
    let mut fetcher = MediaFetcher::default();
    set(&mut fetcher.user_agent, given.user_agent);
    set(&mut fetcher.allow_direct_ip, given.allow_direct_ip);
    set(&mut fetcher.allow_direct_port, given.allow_direct_port);
    set(&mut fetcher.allow_private_ips, given.allow_private_ips);
    if given.allowed_media_domains.is_some() {
        fetcher.allowed_media_domains = given.allowed_media_domains;
    }
    if let Some(seconds) = given.timeout_seconds {
        let timeout = Duration::try_from_secs_f64(seconds).ok();
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        fetcher.timeout = Some(timeout.ok_or_else(|| {
            refused("has a timeout_seconds that is no number of seconds above 0")
        })?);
    }
    Ok(fetcher)
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

fn refused(field: &str, value: &Value, what: &str) -> DynamoError {
    let accepted = match field {
        "media_decoder" => {
            "{\"image\": {\"limits\": {…}}} with max_image_width, max_image_height and max_alloc, or {\"image\": {}}"
        }
        _ => {
            "an object of user_agent, allow_direct_ip, allow_direct_port, allow_private_ips, \
             allowed_media_domains and timeout_seconds"
        }
    };
    invalid_argument(format!("{field}: {value} {what}; accepted: {accepted}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_of_images_reach_the_decoder() {
        let given = json!({"image": {"limits": {"max_image_width": 64, "max_alloc": 1000}}});
        let decoder = serde_json::to_value(decoder(&given).unwrap()).unwrap();
        assert_eq!(decoder["image"]["limits"]["max_image_width"], 64);
        assert_eq!(decoder["image"]["limits"]["max_alloc"], 1000);
        assert!(decoder_of(json!({"image": {}})).is_ok());
    }

    fn decoder_of(given: Value) -> Result<MediaDecoder, DynamoError> {
        decoder(&given)
    }

    #[test]
    fn what_is_no_decoder_is_named() {
        for (given, said) in [
            (json!({}), "names no kind"),
            (json!(["image"]), "names no kind"),
            (json!({"video": {}}), "has 'video'"),
            (json!({"image": {"limit": {}}}), "unknown field `limit`"),
            (
                json!({"image": {"limits": {"max_alloc": -1}}}),
                "cannot be read",
            ),
        ] {
            let error = decoder_of(given).unwrap_err();
            assert!(error.message().starts_with("media_decoder: "), "{error}");
            assert!(error.message().contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_left_out_of_a_fetcher_is_dynamos_default() {
        let given = json!({"timeout_seconds": 1.5, "allowed_media_domains": ["example.com"]});
        let fetcher = fetcher(&given).unwrap();
        assert_eq!(fetcher.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(fetcher.allowed_media_domains.unwrap().len(), 1);
        assert_eq!(fetcher.user_agent, MediaFetcher::default().user_agent);
        assert!(!fetcher.allow_private_ips);
    }

    #[test]
    fn what_is_no_fetcher_is_named() {
        for (given, said) in [
            (json!({"timeout": 1}), "unknown field `timeout`"),
            (json!({"timeout_seconds": 0}), "above 0"),
            (json!({"timeout_seconds": -1.0}), "above 0"),
            (json!({"allow_direct_ip": "yes"}), "cannot be read"),
        ] {
            let error = fetcher(&given).unwrap_err();
            assert!(error.message().starts_with("media_fetcher: "), "{error}");
            assert!(error.message().contains(said), "{error}");
        }
    }
}
