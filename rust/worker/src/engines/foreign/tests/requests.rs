//! What an engine sees of a request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dynamo_engine::serde_json::Value;
use dynamo_engine::{Answer, Engine, EngineConfig, Error, Finish, Host, Request, export};
use dynamo_llm::protocols::common::preprocessor::{PreprocessedRequest, RoutingHints};

use super::enter;
use crate::engine::LLMEngine;
use crate::testing::{Client, request};

/// Notes what it sees.
struct Sees<F: Fn(&Request) -> T, T>(F, Arc<Mutex<Option<T>>>);

impl<T: Send + 'static, F: Fn(&Request) -> T + Send + Sync + 'static> Engine for Sees<F, T> {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        Ok(EngineConfig::new("sees"))
    }
    async fn generate(&self, request: &Request, _answer: &mut Answer) -> Result<Finish, Error> {
        *self.1.lock().unwrap() = Some((self.0)(request));
        Ok(Finish::stop())
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

async fn seen<T: Send + 'static>(
    request: PreprocessedRequest,
    see: impl Fn(&Request) -> T + Send + Sync + 'static,
) -> T {
    let noted = Arc::default();
    let engine = enter(export(Sees(see, Arc::clone(&noted))));
    let metadata = BTreeMap::from([("tenant".to_owned(), "a\"b".to_owned())]);
    let (_, context) = Client::new("id-1", metadata);
    drop(engine.generate(request, context).await.unwrap());
    let seen = noted.lock().unwrap().take();
    seen.unwrap()
}

#[tokio::test]
async fn what_is_set_is_seen_and_what_is_not_is_not() {
    let bare = seen(request([]), |request| {
        assert_eq!(request.token_ids(), [0_u32; 0]);
        assert!(!request.is_probe() && !request.ignore_eos() && !request.asks_for_more());
        assert_eq!((request.lora_name(), request.model()), (None, "test"));
        assert!(request.stop_token_ids().is_empty() && request.eos_token_ids().is_empty());
        (
            request.temperature(),
            request.top_p(),
            request.seed(),
            request.max_tokens(),
        )
    });
    assert_eq!(bare.await, (Some(0.0), None, None, Some(8)));

    let mut full = request([7, 8]);
    let sampling = &mut full.sampling_options;
    (sampling.temperature, sampling.top_p, sampling.top_k) = (Some(0.5), Some(0.75), Some(-1));
    (sampling.min_p, sampling.seed) = (Some(0.25), Some(-9));
    (sampling.frequency_penalty, sampling.presence_penalty) = (Some(1.5), Some(2.5));
    sampling.repetition_penalty = Some(3.5);
    let stop = &mut full.stop_conditions;
    (stop.max_tokens, stop.min_tokens, stop.ignore_eos) = (Some(10), Some(3), Some(true));
    stop.stop_token_ids = Some(vec![1]);
    stop.stop_token_ids_visible = Some(vec![2, 3]);
    stop.stop_token_ids_hidden = Some(vec![4]);
    (
        full.output_options.logprobs,
        full.output_options.prompt_logprobs,
    ) = (Some(2), Some(1));
    (full.eos_token_ids, full.is_probe) = (vec![99], true);
    full.routing = Some(RoutingHints {
        dp_rank: Some(1),
        priority: Some(-2),
        lora_name: Some("ad".into()),
        ..Default::default()
    });
    seen(full, |request| {
        assert_eq!(request.token_ids(), [7, 8]);
        assert_eq!(
            (request.temperature(), request.top_p()),
            (Some(0.5), Some(0.75))
        );
        assert_eq!(
            (request.top_k(), request.min_p(), request.seed()),
            (Some(-1), Some(0.25), Some(-9))
        );
        assert_eq!(
            (request.frequency_penalty(), request.presence_penalty()),
            (Some(1.5), Some(2.5))
        );
        assert_eq!(request.repetition_penalty(), Some(3.5));
        assert_eq!(
            (request.max_tokens(), request.min_tokens()),
            (Some(10), Some(3))
        );
        assert_eq!(
            (request.logprobs(), request.prompt_logprobs()),
            (Some(2), Some(1))
        );
        assert_eq!((request.dp_rank(), request.priority()), (Some(1), Some(-2)));
        assert_eq!(request.stop_token_ids(), [1]);
        assert_eq!(request.stop_token_ids_visible(), [2, 3]);
        assert_eq!(request.stop_token_ids_hidden(), [4]);
        assert_eq!(
            (request.eos_token_ids(), request.lora_name()),
            (&[99][..], Some("ad"))
        );
        assert!(request.is_probe() && request.ignore_eos() && !request.asks_for_more());
    })
    .await;
}

#[tokio::test]
async fn what_no_field_tells_is_announced_and_in_the_json() {
    let mut more = request([7]);
    more.stop_conditions.stop = Some(vec!["\n".into()]);
    more.sampling_options.n = Some(2);
    let json = seen(more.clone(), |request| {
        assert!(request.asks_for_more());
        assert_eq!(request.json_text().unwrap(), request.json_text().unwrap());
        assert_eq!(
            request.json_text().unwrap().as_ptr(),
            request.json_text().unwrap().as_ptr()
        );
        request.json().unwrap()
    })
    .await;
    assert_eq!(json, serde_json::to_value(&more).unwrap());
    let again: PreprocessedRequest = serde_json::from_value(json).unwrap();
    assert_eq!(again.stop_conditions.stop, more.stop_conditions.stop);
}

#[tokio::test]
async fn what_came_with_it_is_seen() {
    let (id, context) = seen(request([7]), |request| {
        (request.id().to_owned(), request.context().unwrap())
    })
    .await;
    assert_eq!(id, "id-1");
    assert_eq!(context["metadata"]["tenant"], Value::from("a\"b"));
    assert_eq!(context["trace_headers"], Value::Object(Default::default()));
}
