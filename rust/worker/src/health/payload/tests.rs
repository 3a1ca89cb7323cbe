//! Every source of section 8 against every other.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::engine::{EngineStream, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::unknown;
use crate::{DynamoError, PreprocessedRequest};

/// An engine that answers with a payload, or fails.
struct Asked {
    answer: Result<Option<Value>, ()>,
    was_asked: AtomicBool,
}

#[async_trait]
impl LLMEngine for Asked {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        unreachable!("only its payload is asked for")
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        unreachable!("only its payload is asked for")
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        unreachable!("only its payload is asked for")
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.answer.clone().map_err(|()| unknown("out of memory"))
    }
}

/// Who decides, and what a warning names, where there is one.
enum Expected {
    Configuration,
    Variable(Option<&'static str>),
    Engine(Option<&'static str>),
    Off(Option<&'static str>),
}

use Expected::{Configuration, Engine, Off, Variable};

#[tokio::test]
async fn section_8_the_first_source_that_is_set_decides() {
    let of = |source: &str| json!({"from": source, "_HEALTH_CHECK": false});
    let (configured, engine) = (Some(of("configuration")), Ok(Some(of("engine"))));
    let text = of("variable").to_string();
    let inline = Some(text.as_str());
    let rows = [
        // (configuration, variable, file, engine) and what comes of it.
        ((&configured, inline, None, &engine), Configuration),
        ((&configured, Some("nope"), None, &engine), Configuration),
        ((&configured, None, None, &Err(())), Configuration),
        (
            (&Some(json!([1])), inline, None, &engine),
            Off(Some("an array")),
        ),
        (
            (&Some(json!(null)), inline, None, &engine),
            Off(Some("null")),
        ),
        (
            (&Some(json!("{}")), None, None, &engine),
            Off(Some("a string")),
        ),
        ((&None, inline, None, &engine), Variable(None)),
        ((&None, Some("@f"), inline, &engine), Variable(None)),
        ((&None, inline, None, &Err(())), Variable(None)),
        (
            (&None, Some("@f"), None, &engine),
            Engine(Some("'f' cannot be read")),
        ),
        (
            (&None, Some("@f"), Some("[]"), &engine),
            Engine(Some("'f' is an array")),
        ),
        (
            (&None, Some("@f"), Some("{"), &engine),
            Engine(Some("'f' is no JSON")),
        ),
        (
            (&None, Some("{"), None, &engine),
            Engine(Some("DYN_HEALTH_CHECK_PAYLOAD")),
        ),
        ((&None, Some("3"), None, &engine), Engine(Some("a number"))),
        ((&None, Some("null"), None, &engine), Engine(Some("null"))),
        ((&None, Some(""), None, &engine), Engine(None)),
        ((&None, Some("  "), None, &engine), Engine(None)),
        ((&None, None, None, &engine), Engine(None)),
        ((&None, None, None, &Ok(None)), Off(None)),
        (
            (&None, None, None, &Ok(Some(json!(true)))),
            Off(Some("a boolean")),
        ),
        ((&None, None, None, &Err(())), Off(Some("out of memory"))),
    ];
    for (number, ((configured, variable, file, answer), expected)) in rows.into_iter().enumerate() {
        let engine = Asked {
            answer: answer.clone(),
            was_asked: AtomicBool::new(false),
        };
        let read = |_: &Path| {
            file.map(str::to_owned)
                .ok_or(io::ErrorKind::NotFound.into())
        };
        let (payload, warnings) = choose(configured.as_ref(), variable, read, &engine).await;
        let (source, warning) = match expected {
            Configuration => (Some("configuration"), None),
            Variable(warning) => (Some("variable"), warning),
            Engine(warning) => (Some("engine"), warning),
            Off(warning) => (None, warning),
        };
        let wanted = source.map(|from| json!({"from": from, "_HEALTH_CHECK": true}));
        assert_eq!(payload, wanted, "row {number}");
        assert_eq!(
            warnings.len(),
            usize::from(warning.is_some()),
            "row {number}: {warnings:?}"
        );
        assert!(
            warnings
                .iter()
                .all(|told| told.contains(warning.unwrap_or(""))),
            "{warnings:?}"
        );
        let operator_decided =
            matches!(source, Some("configuration" | "variable")) || configured.is_some();
        assert_eq!(
            engine.was_asked.into_inner(),
            !operator_decided,
            "row {number}"
        );
    }
}
