//! A request, as the reference's engines take it.

use std::collections::BTreeMap;

use dynamo_backend_common::PreprocessedRequest;
use dynamo_engine::serde_json::{self, Value};
use dynamo_engine::{Error, Request};

/// All of the request: what has no field comes as Dynamo's own JSON, and with it the rest.
pub(crate) fn read(request: &Request) -> Result<PreprocessedRequest, Error> {
    serde_json::from_str(request.json_text()?).map_err(|error| {
        Error::unknown(format!(
            "the request is none of the Dynamo that this engine is made for: {error}"
        ))
    })
}

/// What came with the request: headers and the like.
pub(crate) fn metadata(request: &Request) -> Result<BTreeMap<String, String>, Error> {
    let context = request.context()?;
    let pairs = context.get("metadata").and_then(Value::as_object);
    Ok(pairs
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect())
}
