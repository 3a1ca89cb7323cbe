//! Which place of a message is which field.
//!
//! vLLM writes its structs as arrays, without names. The names are those of the release that runs,
//! asked of its own definitions: a field that moved is found where it is now, and one that is gone
//! is noticed before anything is read.

use std::collections::HashMap;

/// The fields of a release's structs, by their places.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) step: Vec<StepField>,
    pub(crate) output: Vec<OutputField>,
}

/// A field of `EngineCoreOutputs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepField {
    EngineIndex,
    Outputs,
    SchedulerStats,
    Timestamp,
    UtilityOutput,
    /// What only vLLM's own client acts upon, or may: also what is not known here.
    Client,
    Other,
}

/// A field of `EngineCoreOutput`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputField {
    RequestId,
    NewTokenIds,
    NewLogprobs,
    FinishReason,
    StopReason,
    Events,
    PrefillStats,
    NumNansInLogits,
    /// What vLLM's statistics need beside the others.
    TraceHeaders,
    /// Some are arrays, which may lie in other frames of the message.
    Other,
}

/// What has to be there, by struct. The last two are maps by name, the third is read by place.
const NEEDED: [(&str, &[&str]); 5] = [
    (
        "EngineCoreOutputs",
        &[
            "engine_index",
            "outputs",
            "scheduler_stats",
            "timestamp",
            "utility_output",
        ],
    ),
    (
        "EngineCoreOutput",
        &[
            "request_id",
            "new_token_ids",
            "new_logprobs",
            "finish_reason",
            "stop_reason",
            "events",
            "prefill_stats",
        ],
    ),
    (
        "LogprobsLists",
        &["logprob_token_ids", "logprobs", "sampled_token_ranks"],
    ),
    ("PrefillStats", &["num_cached_tokens"]),
    ("SchedulerStats", &["kv_cache_usage", "prefix_cache_stats"]),
];

impl Layout {
    /// The layout of a release whose structs have these fields, in order.
    ///
    /// # Errors
    ///
    /// A struct or a field that is needed is missing, or not where it is read; the text names it.
    pub fn new(fields: &HashMap<String, Vec<String>>) -> Result<Self, String> {
        for (name, needed) in NEEDED {
            let there = fields
                .get(name)
                .ok_or_else(|| format!("the fields of {name} are not given"))?;
            for field in needed {
                if !there.iter().any(|name| name == field) {
                    return Err(format!("{name} has no field '{field}'"));
                }
            }
            if name == "LogprobsLists" && !there.iter().zip(needed).all(|(is, was)| is == was) {
                return Err(format!("{name} has other fields before {needed:?}"));
            }
        }
        let places = |name: &str| fields[name].iter().map(String::as_str);
        Ok(Self {
            step: places("EngineCoreOutputs").map(StepField::named).collect(),
            output: places("EngineCoreOutput").map(OutputField::named).collect(),
        })
    }
}

impl StepField {
    fn named(name: &str) -> Self {
        match name {
            "engine_index" => Self::EngineIndex,
            "outputs" => Self::Outputs,
            "scheduler_stats" => Self::SchedulerStats,
            "timestamp" => Self::Timestamp,
            "utility_output" => Self::UtilityOutput,
            "weight_version" => Self::Other,
            _ => Self::Client,
        }
    }
}

impl OutputField {
    fn named(name: &str) -> Self {
        match name {
            "request_id" => Self::RequestId,
            "new_token_ids" => Self::NewTokenIds,
            "new_logprobs" => Self::NewLogprobs,
            "finish_reason" => Self::FinishReason,
            "stop_reason" => Self::StopReason,
            "events" => Self::Events,
            "prefill_stats" => Self::PrefillStats,
            "num_nans_in_logits" => Self::NumNansInLogits,
            "trace_headers" => Self::TraceHeaders,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, Release};

    #[test]
    fn both_releases_have_what_is_read() {
        for release in samples::releases() {
            let layout = Layout::new(&release.fields).unwrap();
            assert_eq!(layout.step[1], StepField::Outputs);
            assert_eq!(layout.output[0], OutputField::RequestId);
            assert_eq!(layout.output[5], OutputField::FinishReason);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let Release { fields, .. } = samples::releases().remove(0);
        for (name, needed) in NEEDED {
            let mut without = fields.clone();
            without.remove(name);
            let error = Layout::new(&without).unwrap_err();
            assert!(error.contains(name), "{error}");
            for field in needed {
                let mut without = fields.clone();
                let there = without.get_mut(name).unwrap();
                there.retain(|name| name != field);
                let error = Layout::new(&without).unwrap_err();
                assert_eq!(error, format!("{name} has no field '{field}'"));
            }
        }
        let mut moved = fields;
        moved.get_mut("LogprobsLists").unwrap().swap(0, 1);
        let error = Layout::new(&moved).unwrap_err();
        assert!(error.contains("LogprobsLists"), "{error}");
    }
}
