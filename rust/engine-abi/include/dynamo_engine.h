/* The interface by which an engine enters a worker that it was not compiled with.
 *
 * What each structure and function means, who owns what, which threads call, and what a later version
 * may add, is said once: in the documentation of the Rust crate dynamo-engine-abi (rust/engine-abi/src),
 * whose names these are behind the prefix Dynamo. In short:
 *
 * - A table begins with a header: DYNAMO_HEADER(DynamoEngineTable, 0).
 * - What is lent is copied by whoever needs it for longer. What a chunk points to is lent until the
 *   next poll of its stream; a request until its stream is released.
 * - Functions run on any thread, those of one stream never two at a time. None may wait.
 * - Cancellation is release. No exception leaves a function.
 * - The library is never unloaded.
 *
 * C11, or C++11.
 */
#ifndef DYNAMO_ENGINE_H
#define DYNAMO_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DYNAMO_ENGINE_MAJOR 0
#define DYNAMO_ENGINE_MINOR 1
#define DYNAMO_ENGINE_OLDEST_MINOR 1
#define DYNAMO_ENGINE_VERSION ((uint32_t)DYNAMO_ENGINE_MAJOR << 16 | DYNAMO_ENGINE_MINOR)
#define DYNAMO_REQUIRED_FEATURES UINT64_C(0xffffffff00000000)

/* Names of a PyCapsule, before and after its engine was taken. */
#define DYNAMO_ENGINE_CAPSULE "dynamo_engine"
#define DYNAMO_ENGINE_CAPSULE_USED "used_dynamo_engine"

/* What a table begins with. */
typedef struct DynamoHeader {
    uint32_t size;
    uint16_t major;
    uint16_t minor;
    uint64_t features;
} DynamoHeader;

/* An initialiser of the header of a table of this type. */
#define DYNAMO_HEADER(table, features_)                                                              \
    { (uint32_t)sizeof(table), DYNAMO_ENGINE_MAJOR, DYNAMO_ENGINE_MINOR, features_ }

/* What functions answer. */
typedef uint32_t DynamoStatus;
#define DYNAMO_PENDING 0u
#define DYNAMO_READY 1u
#define DYNAMO_FAILED 2u
#define DYNAMO_DONE 3u

/* Kinds of errors. */
typedef uint32_t DynamoErrorKind;
#define DYNAMO_ERROR_UNKNOWN 0u
#define DYNAMO_ERROR_INVALID_ARGUMENT 1u
#define DYNAMO_ERROR_CANNOT_CONNECT 2u
#define DYNAMO_ERROR_DISCONNECTED 3u
#define DYNAMO_ERROR_CONNECTION_TIMEOUT 4u
#define DYNAMO_ERROR_RESPONSE_TIMEOUT 5u
#define DYNAMO_ERROR_CANCELLED 6u
#define DYNAMO_ERROR_ENGINE_SHUTDOWN 7u
#define DYNAMO_ERROR_STREAM_INCOMPLETE 8u

/* Text in UTF-8, without a zero byte at its end. Lent. */
typedef struct DynamoStr {
    const uint8_t *ptr;
    size_t len;
} DynamoStr;

typedef struct DynamoTokenIds {
    const uint32_t *ptr;
    size_t len;
} DynamoTokenIds;

typedef struct DynamoNumbers {
    const double *ptr;
    size_t len;
} DynamoNumbers;

/* Text that is given away: who gets it calls release, where there is one. */
typedef struct DynamoText {
    DynamoStr text;
    void *owner;
    void (*release)(void *owner);
} DynamoText;

/* Wakers. That of a poll is lent for the call; a clone is owned. */
typedef struct DynamoWakerTable {
    DynamoHeader header;
    void *(*clone)(void *data);
    void (*wake)(void *data);
    bool (*will_wake)(void *data, void *other);
    void (*release)(void *data);
} DynamoWakerTable;

typedef struct DynamoWaker {
    const DynamoWakerTable *table;
    void *data;
} DynamoWaker;

/* What a call came to. */
typedef struct DynamoAnswer {
    DynamoText text;
    DynamoErrorKind kind;
} DynamoAnswer;

/* A call that is under way. */
typedef struct DynamoOperationTable {
    DynamoHeader header;
    DynamoStatus (*poll)(void *data, const DynamoWaker *waker, DynamoAnswer *answer);
    void (*release)(void *data);
} DynamoOperationTable;

typedef struct DynamoOperation {
    const DynamoOperationTable *table;
    void *data;
} DynamoOperation;

/* Bits of DynamoRequest.has */
#define DYNAMO_REQUEST_TEMPERATURE (UINT64_C(1) << 0)
#define DYNAMO_REQUEST_TOP_P (UINT64_C(1) << 1)
#define DYNAMO_REQUEST_TOP_K (UINT64_C(1) << 2)
#define DYNAMO_REQUEST_MIN_P (UINT64_C(1) << 3)
#define DYNAMO_REQUEST_FREQUENCY_PENALTY (UINT64_C(1) << 4)
#define DYNAMO_REQUEST_PRESENCE_PENALTY (UINT64_C(1) << 5)
#define DYNAMO_REQUEST_REPETITION_PENALTY (UINT64_C(1) << 6)
#define DYNAMO_REQUEST_SEED (UINT64_C(1) << 7)
#define DYNAMO_REQUEST_MAX_TOKENS (UINT64_C(1) << 8)
#define DYNAMO_REQUEST_MIN_TOKENS (UINT64_C(1) << 9)
#define DYNAMO_REQUEST_LOGPROBS (UINT64_C(1) << 10)
#define DYNAMO_REQUEST_PROMPT_LOGPROBS (UINT64_C(1) << 11)
#define DYNAMO_REQUEST_DP_RANK (UINT64_C(1) << 12)
#define DYNAMO_REQUEST_PRIORITY (UINT64_C(1) << 13)
#define DYNAMO_REQUEST_IGNORE_EOS (UINT64_C(1) << 14)
#define DYNAMO_REQUEST_PROBE (UINT64_C(1) << 15)
#define DYNAMO_REQUEST_MORE (UINT64_C(1) << 16)

typedef struct DynamoRequestTable {
    DynamoHeader header;
    bool (*is_stopped)(void *data);
    DynamoStatus (*poll_stopped)(void *data, const DynamoWaker *waker);
    void (*notify_first_token)(void *data);
    DynamoStatus (*json)(void *data, DynamoStr *json);
    DynamoStatus (*context)(void *data, DynamoStr *json);
} DynamoRequestTable;

/* What is asked. Lent until the stream is released, or generate answered FAILED. */
typedef struct DynamoRequest {
    const DynamoRequestTable *table;
    void *data;
    uint32_t size;
    uint32_t max_tokens;
    uint64_t has;
    uint64_t key;
    DynamoStr id;
    DynamoStr model;
    DynamoStr lora_name;
    DynamoTokenIds token_ids;
    DynamoTokenIds stop_token_ids;
    DynamoTokenIds stop_token_ids_visible;
    DynamoTokenIds stop_token_ids_hidden;
    DynamoTokenIds eos_token_ids;
    float temperature;
    float top_p;
    int32_t top_k;
    float min_p;
    float frequency_penalty;
    float presence_penalty;
    float repetition_penalty;
    uint32_t min_tokens;
    int64_t seed;
    uint32_t logprobs;
    uint32_t prompt_logprobs;
    uint32_t dp_rank;
    int32_t priority;
} DynamoRequest;

/* Bits of DynamoChunk.has */
#define DYNAMO_CHUNK_INDEX (UINT64_C(1) << 0)
#define DYNAMO_CHUNK_CUM_LOG_PROB (UINT64_C(1) << 1)
#define DYNAMO_CHUNK_USAGE (UINT64_C(1) << 2)
#define DYNAMO_CHUNK_CACHED_TOKENS (UINT64_C(1) << 3)
#define DYNAMO_CHUNK_LOG_PROBS (UINT64_C(1) << 4)
#define DYNAMO_CHUNK_TOP_LOGPROBS (UINT64_C(1) << 5)

typedef uint32_t DynamoFinishReason;
#define DYNAMO_FINISH_NONE 0u
#define DYNAMO_FINISH_EOS 1u
#define DYNAMO_FINISH_LENGTH 2u
#define DYNAMO_FINISH_STOP 3u
#define DYNAMO_FINISH_CANCELLED 4u
#define DYNAMO_FINISH_CONTENT_FILTER 5u
#define DYNAMO_FINISH_ERROR 6u

typedef uint32_t DynamoStopKind;
#define DYNAMO_STOP_NONE 0u
#define DYNAMO_STOP_TOKEN 1u
#define DYNAMO_STOP_STRING 2u

typedef struct DynamoTopLogprob {
    uint32_t rank;
    uint32_t token_id;
    double logprob;
    DynamoStr token;
} DynamoTopLogprob;

typedef struct DynamoUsage {
    uint32_t prompt_tokens;
    uint32_t completion_tokens;
    uint32_t cached_tokens;
} DynamoUsage;

/* What a stream gives in one turn; all zero but size when poll gets it. */
typedef struct DynamoChunk {
    uint32_t size;
    DynamoFinishReason finish_reason;
    uint64_t has;
    DynamoTokenIds token_ids;
    uint32_t index;
    DynamoErrorKind error_kind;
    DynamoStr message;
    DynamoNumbers log_probs;
    double cum_log_prob;
    const DynamoTopLogprob *top_logprobs;
    const uint32_t *top_logprobs_per_token;
    DynamoUsage usage;
    DynamoStopKind stop_kind;
    uint32_t reserved;
    int64_t stop_token;
    DynamoStr stop_string;
    DynamoStr text;
    DynamoStr json;
} DynamoChunk;

typedef struct DynamoStreamTable {
    DynamoHeader header;
    DynamoStatus (*poll)(void *data, const DynamoWaker *waker, DynamoChunk *chunk);
    void (*release)(void *data);
} DynamoStreamTable;

typedef struct DynamoStream {
    const DynamoStreamTable *table;
    void *data;
} DynamoStream;

/* Bits of DynamoSnapshot.has and DynamoStoredBlocks.has */
#define DYNAMO_SNAPSHOT_KV_CACHE_HIT_RATE (UINT64_C(1) << 0)
#define DYNAMO_STORED_PARENT_HASH (UINT64_C(1) << 0)

typedef struct DynamoSnapshot {
    uint32_t size;
    uint32_t dp_rank;
    uint64_t has;
    uint64_t total_blocks;
    uint64_t used_blocks;
    double kv_cache_hit_rate;
} DynamoSnapshot;

typedef struct DynamoStoredBlock {
    uint64_t block_hash;
    DynamoTokenIds token_ids;
} DynamoStoredBlock;

typedef struct DynamoStoredBlocks {
    uint32_t size;
    uint32_t dp_rank;
    uint64_t has;
    uint64_t parent_hash;
    const DynamoStoredBlock *blocks;
    size_t count;
    DynamoStr lora_name;
} DynamoStoredBlocks;

/* Bits of the features of a DynamoHostTable. */
#define DYNAMO_HOST_UPDATES (UINT64_C(1) << 0)
#define DYNAMO_HOST_KV_LORA_NAME (UINT64_C(1) << 1)

typedef uint32_t DynamoLogLevel;
#define DYNAMO_LOG_ERROR 1u
#define DYNAMO_LOG_WARN 2u
#define DYNAMO_LOG_INFO 3u
#define DYNAMO_LOG_DEBUG 4u
#define DYNAMO_LOG_TRACE 5u

typedef struct DynamoHostTable {
    DynamoHeader header;
    DynamoStr dynamo_version;
    void (*log)(void *data, DynamoLogLevel level, DynamoStr target, DynamoStr message);
    bool (*log_enabled)(void *data, DynamoLogLevel level);
    DynamoStatus (*push_snapshot)(void *data, const DynamoSnapshot *snapshot);
    DynamoStatus (*publish_stored)(void *data, const DynamoStoredBlocks *stored, DynamoAnswer *answer);
    DynamoStatus (*publish_removed)(void *data, uint32_t dp_rank, const uint64_t *block_hashes,
                                    size_t count);
    DynamoStatus (*publish_cleared)(void *data, uint32_t dp_rank);
    DynamoStatus (*adapter_card)(void *data, DynamoStr name, bool publish, DynamoOperation *operation,
                                 DynamoAnswer *answer);
} DynamoHostTable;

/* What a worker gives its engine. Lent from attach until release of the engine returns. */
typedef struct DynamoHost {
    const DynamoHostTable *table;
    void *data;
} DynamoHost;

typedef DynamoStatus (*DynamoBegin)(void *data, DynamoStr argument, DynamoOperation *operation,
                                    DynamoAnswer *answer);
typedef DynamoStatus (*DynamoGenerate)(void *data, const DynamoRequest *request, DynamoStream *stream,
                                       DynamoAnswer *answer);
typedef void (*DynamoAttach)(void *data, const DynamoHost *host);
typedef void (*DynamoTell)(void *data, DynamoStr argument);

/* Required: name, attach, start, generate, cleanup, release. Every other function may be NULL. */
typedef struct DynamoEngineTable {
    DynamoHeader header;
    DynamoStr name;
    DynamoAttach attach;
    DynamoTell configure;
    DynamoBegin start;
    DynamoGenerate generate;
    void (*abort)(void *data, uint64_t key);
    DynamoBegin watch;
    DynamoBegin drain;
    DynamoBegin is_quiescent;
    DynamoBegin cleanup;
    DynamoBegin setup_metrics;
    DynamoStatus (*metrics_text)(void *data, DynamoAnswer *answer);
    DynamoBegin kv_event_sources;
    DynamoBegin health_check_payload;
    DynamoBegin on_adapter_cards;
    DynamoBegin supported_controls;
    DynamoBegin engine_control;
    DynamoBegin supported_updates;
    DynamoBegin engine_update;
    void (*release)(void *data);
} DynamoEngineTable;

/* An engine. Who takes it copies it and writes NULL over table; who is left with one that nobody
 * took calls its release. */
typedef struct DynamoEngine {
    const DynamoEngineTable *table;
    void *data;
} DynamoEngine;

/* What a library exports that is loaded by name: as "dynamo_engine_new". */
#define DYNAMO_ENGINE_SYMBOL "dynamo_engine_new"
typedef DynamoStatus (*DynamoNewEngine)(DynamoStr arguments, DynamoEngine *engine, DynamoAnswer *answer);

/* Lends a string literal: in a function, and in the initialiser of a constant. */
#ifdef __cplusplus
#define DYNAMO_STR(literal) (DynamoStr{reinterpret_cast<const uint8_t *>(literal), sizeof(literal) - 1})
#define DYNAMO_STR_INIT(literal) {reinterpret_cast<const uint8_t *>(literal), sizeof(literal) - 1}
#else
#define DYNAMO_STR(literal) ((DynamoStr){(const uint8_t *)(literal), sizeof(literal) - 1})
#define DYNAMO_STR_INIT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#endif

#ifdef __cplusplus
}
#endif

#endif
