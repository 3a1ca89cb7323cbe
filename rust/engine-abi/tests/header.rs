//! The C header has the structures of this crate, each field where it is here, and its constants.

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use dynamo_engine_abi::*;

/// Lines `NAME NUMBER`, and the C program that prints the same from the header.
#[derive(Default)]
struct Layout {
    here: String,
    c: String,
}

impl Layout {
    fn number(&mut self, name: &str, value: u64, c: &str) {
        self.here.push_str(&format!("{name} {value}\n"));
        self.c.push_str(&format!(
            "    printf(\"%s %llu\\n\", \"{name}\", (unsigned long long)({c}));\n"
        ));
    }
}

/// Every field of a structure: one that is not named here does not compile.
macro_rules! structures {
    ($layout:ident: $($name:ident as $c:literal { $($field:ident),* })*) => {$(
        let _: fn($name) = |$name { $($field: _),* }| ();
        $layout.number($c, size_of::<$name>() as u64, concat!("sizeof(", $c, ")"));
        $layout.number(
            concat!("align ", $c), align_of::<$name>() as u64, concat!("ALIGN(", $c, ")"),
        );
        $($layout.number(
            concat!($c, ".", stringify!($field)),
            offset_of!($name, $field) as u64,
            concat!("offsetof(", $c, ", ", stringify!($field), ")"),
        );)*
    )*};
}

macro_rules! constants {
    ($layout:ident: $($value:expr => $c:literal)*) => {$(
        $layout.number($c, $value as u64, $c);
    )*};
}

fn layout() -> Layout {
    let mut layout = Layout::default();
    structures! { layout:
        Header as "DynamoHeader" { size, major, minor, features }
        Str as "DynamoStr" { ptr, len }
        TokenIds as "DynamoTokenIds" { ptr, len }
        Numbers as "DynamoNumbers" { ptr, len }
        Text as "DynamoText" { text, owner, release }
        WakerTable as "DynamoWakerTable" { header, clone, wake, will_wake, release }
        Waker as "DynamoWaker" { table, data }
        Answer as "DynamoAnswer" { text, kind }
        OperationTable as "DynamoOperationTable" { header, poll, release }
        Operation as "DynamoOperation" { table, data }
        RequestTable as "DynamoRequestTable" {
            header, is_stopped, poll_stopped, notify_first_token, json, context
        }
        Request as "DynamoRequest" {
            table, data, size, max_tokens, has, key, id, model, lora_name, token_ids, stop_token_ids,
            stop_token_ids_visible, stop_token_ids_hidden, eos_token_ids, temperature, top_p, top_k,
            min_p, frequency_penalty, presence_penalty, repetition_penalty, min_tokens, seed,
            logprobs, prompt_logprobs, dp_rank, priority
        }
        TopLogprob as "DynamoTopLogprob" { rank, token_id, logprob, token }
        Usage as "DynamoUsage" { prompt_tokens, completion_tokens, cached_tokens }
        Chunk as "DynamoChunk" {
            size, finish_reason, has, token_ids, index, error_kind, message, log_probs,
            cum_log_prob, top_logprobs, top_logprobs_per_token, usage, stop_kind, reserved,
            stop_token, stop_string, text, json
        }
        StreamTable as "DynamoStreamTable" { header, poll, release }
        Stream as "DynamoStream" { table, data }
        Snapshot as "DynamoSnapshot" {
            size, dp_rank, has, total_blocks, used_blocks, kv_cache_hit_rate
        }
        StoredBlock as "DynamoStoredBlock" { block_hash, token_ids }
        StoredBlocks as "DynamoStoredBlocks" {
            size, dp_rank, has, parent_hash, blocks, count, lora_name
        }
        HostTable as "DynamoHostTable" {
            header, dynamo_version, log, log_enabled, push_snapshot, publish_stored,
            publish_removed, publish_cleared, adapter_card
        }
        Host as "DynamoHost" { table, data }
        EngineTable as "DynamoEngineTable" {
            header, name, attach, configure, start, generate, abort, watch, drain, is_quiescent,
            cleanup, setup_metrics, metrics_text, kv_event_sources, health_check_payload,
            on_adapter_cards, supported_controls, engine_control, supported_updates,
            engine_update, release
        }
        Engine as "DynamoEngine" { table, data }
    }
    constants! { layout:
        MAJOR => "DYNAMO_ENGINE_MAJOR"
        MINOR => "DYNAMO_ENGINE_MINOR"
        OLDEST_MINOR => "DYNAMO_ENGINE_OLDEST_MINOR"
        VERSION => "DYNAMO_ENGINE_VERSION"
        REQUIRED_FEATURES => "DYNAMO_REQUIRED_FEATURES"
        Status::PENDING.0 => "DYNAMO_PENDING"
        Status::READY.0 => "DYNAMO_READY"
        Status::FAILED.0 => "DYNAMO_FAILED"
        Status::DONE.0 => "DYNAMO_DONE"
        ErrorKind::UNKNOWN.0 => "DYNAMO_ERROR_UNKNOWN"
        ErrorKind::INVALID_ARGUMENT.0 => "DYNAMO_ERROR_INVALID_ARGUMENT"
        ErrorKind::CANNOT_CONNECT.0 => "DYNAMO_ERROR_CANNOT_CONNECT"
        ErrorKind::DISCONNECTED.0 => "DYNAMO_ERROR_DISCONNECTED"
        ErrorKind::CONNECTION_TIMEOUT.0 => "DYNAMO_ERROR_CONNECTION_TIMEOUT"
        ErrorKind::RESPONSE_TIMEOUT.0 => "DYNAMO_ERROR_RESPONSE_TIMEOUT"
        ErrorKind::CANCELLED.0 => "DYNAMO_ERROR_CANCELLED"
        ErrorKind::ENGINE_SHUTDOWN.0 => "DYNAMO_ERROR_ENGINE_SHUTDOWN"
        ErrorKind::STREAM_INCOMPLETE.0 => "DYNAMO_ERROR_STREAM_INCOMPLETE"
        request_has::TEMPERATURE => "DYNAMO_REQUEST_TEMPERATURE"
        request_has::TOP_P => "DYNAMO_REQUEST_TOP_P"
        request_has::TOP_K => "DYNAMO_REQUEST_TOP_K"
        request_has::MIN_P => "DYNAMO_REQUEST_MIN_P"
        request_has::FREQUENCY_PENALTY => "DYNAMO_REQUEST_FREQUENCY_PENALTY"
        request_has::PRESENCE_PENALTY => "DYNAMO_REQUEST_PRESENCE_PENALTY"
        request_has::REPETITION_PENALTY => "DYNAMO_REQUEST_REPETITION_PENALTY"
        request_has::SEED => "DYNAMO_REQUEST_SEED"
        request_has::MAX_TOKENS => "DYNAMO_REQUEST_MAX_TOKENS"
        request_has::MIN_TOKENS => "DYNAMO_REQUEST_MIN_TOKENS"
        request_has::LOGPROBS => "DYNAMO_REQUEST_LOGPROBS"
        request_has::PROMPT_LOGPROBS => "DYNAMO_REQUEST_PROMPT_LOGPROBS"
        request_has::DP_RANK => "DYNAMO_REQUEST_DP_RANK"
        request_has::PRIORITY => "DYNAMO_REQUEST_PRIORITY"
        request_has::IGNORE_EOS => "DYNAMO_REQUEST_IGNORE_EOS"
        request_has::PROBE => "DYNAMO_REQUEST_PROBE"
        request_has::MORE => "DYNAMO_REQUEST_MORE"
        chunk_has::INDEX => "DYNAMO_CHUNK_INDEX"
        chunk_has::CUM_LOG_PROB => "DYNAMO_CHUNK_CUM_LOG_PROB"
        chunk_has::USAGE => "DYNAMO_CHUNK_USAGE"
        chunk_has::CACHED_TOKENS => "DYNAMO_CHUNK_CACHED_TOKENS"
        chunk_has::LOG_PROBS => "DYNAMO_CHUNK_LOG_PROBS"
        chunk_has::TOP_LOGPROBS => "DYNAMO_CHUNK_TOP_LOGPROBS"
        FinishReason::NONE.0 => "DYNAMO_FINISH_NONE"
        FinishReason::EOS.0 => "DYNAMO_FINISH_EOS"
        FinishReason::LENGTH.0 => "DYNAMO_FINISH_LENGTH"
        FinishReason::STOP.0 => "DYNAMO_FINISH_STOP"
        FinishReason::CANCELLED.0 => "DYNAMO_FINISH_CANCELLED"
        FinishReason::CONTENT_FILTER.0 => "DYNAMO_FINISH_CONTENT_FILTER"
        FinishReason::ERROR.0 => "DYNAMO_FINISH_ERROR"
        StopKind::NONE.0 => "DYNAMO_STOP_NONE"
        StopKind::TOKEN.0 => "DYNAMO_STOP_TOKEN"
        StopKind::STRING.0 => "DYNAMO_STOP_STRING"
        snapshot_has::KV_CACHE_HIT_RATE => "DYNAMO_SNAPSHOT_KV_CACHE_HIT_RATE"
        stored_has::PARENT_HASH => "DYNAMO_STORED_PARENT_HASH"
        host_feature::UPDATES => "DYNAMO_HOST_UPDATES"
        host_feature::KV_LORA_NAME => "DYNAMO_HOST_KV_LORA_NAME"
        LogLevel::ERROR.0 => "DYNAMO_LOG_ERROR"
        LogLevel::WARN.0 => "DYNAMO_LOG_WARN"
        LogLevel::INFO.0 => "DYNAMO_LOG_INFO"
        LogLevel::DEBUG.0 => "DYNAMO_LOG_DEBUG"
        LogLevel::TRACE.0 => "DYNAMO_LOG_TRACE"
    }
    layout
}

fn printed_by(compiler: &str, standard: &str, program: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, built) = (folder.join(program), folder.join(format!("{program}.out")));
    let text = format!(
        "#include <stdio.h>\n#include \"dynamo_engine.h\"\n\
         #ifdef __cplusplus\n#define ALIGN(type) alignof(type)\n\
         #else\n#define ALIGN(type) _Alignof(type)\n#endif\n\
         int main(void) {{\n{}    \
         printf(\"%s %s\\n\", DYNAMO_ENGINE_CAPSULE, DYNAMO_ENGINE_CAPSULE_USED);\n    \
         printf(\"%s\\n\", DYNAMO_ENGINE_SYMBOL);\n    return 0;\n}}\n",
        layout().c
    );
    std::fs::write(&source, text).unwrap();
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include");
    let compiled = Command::new(compiler)
        .args([
            standard,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            include,
        ])
        .arg(&source)
        .arg("-o")
        .arg(&built)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");
    let ran = Command::new(built).output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_header_is_the_same_interface_in_c_and_in_cpp() {
    let names = [CAPSULE, USED_CAPSULE, SYMBOL].map(|name| name.to_str().unwrap());
    let expected = format!("{}{} {}\n{}\n", layout().here, names[0], names[1], names[2]);
    for (compiler, standard, program) in [
        ("cc", "-std=c11", "layout.c"),
        ("c++", "-std=c++11", "layout.cc"),
    ] {
        let printed = printed_by(compiler, standard, program);
        for (printed, expected) in printed.lines().zip(expected.lines()) {
            assert_eq!(printed, expected, "{compiler}");
        }
        assert_eq!(printed, expected, "{compiler}");
    }
}

/// A structure, or a constant, that this test does not know would be anything.
#[test]
fn the_header_has_nothing_else() {
    let header = include_str!("../include/dynamo_engine.h");
    let known = layout().here;
    let known = |name: &str| {
        known
            .lines()
            .any(|line| line.starts_with(&format!("{name} ")))
    };
    let not_a_number = [
        "DYNAMO_ENGINE_H",
        "DYNAMO_ENGINE_CAPSULE",
        "DYNAMO_ENGINE_CAPSULE_USED",
        "DYNAMO_ENGINE_SYMBOL",
        "DYNAMO_HEADER(table,",
        "DYNAMO_STR(literal)",
        "DYNAMO_STR_INIT(literal)",
    ];
    for line in header.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#define", name, ..] => assert!(known(name) || not_a_number.contains(&name), "{line}"),
            ["typedef", "struct", name, "{"] => assert!(known(name), "{line}"),
            _ => {}
        }
    }
}
