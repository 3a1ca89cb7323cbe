/* Engines that break the rules of the interface: which one, the arguments say. Of those that start well,
 * every other request goes wrong, the first one for a beginning. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dynamo_engine.h"


static const DynamoStr NONE = {NULL, 0};
static const DynamoStr NOT_UTF8 = DYNAMO_STR_INIT("not \xff utf-8");

static char kind[64];
static atomic_uint requests;

typedef struct Answering {
    bool wrong, over;
} Answering;

static bool is(const char *name) {
    return strcmp(kind, name) == 0;
}

static DynamoStatus fail(DynamoAnswer *answer, DynamoErrorKind error, DynamoStr message) {
    answer->kind = error;
    answer->text.text = message;
    return DYNAMO_FAILED;
}

static DynamoStatus poll_stream(void *data, const DynamoWaker *waker, DynamoChunk *chunk) {
    static const uint32_t tokens[] = {504, 725, 945};
    static const DynamoStr message = DYNAMO_STR_INIT("the kernel is on fire");
    Answering *answering = (Answering *)data;
    (void)waker;
    if (answering->over && !is("the stream goes on behind its end"))
        return DYNAMO_DONE;
    answering->over = true;
    chunk->token_ids.ptr = tokens;
    chunk->token_ids.len = 3;
    chunk->finish_reason = DYNAMO_FINISH_STOP;
    if (!answering->wrong)
        return DYNAMO_READY;
    if (is("poll fails in silence"))
        return DYNAMO_FAILED;
    if (is("poll fails in no language")) {
        chunk->message = NOT_UTF8;
        return DYNAMO_FAILED;
    }
    if (is("poll fails with a kind of its own")) {
        chunk->error_kind = 77;
        chunk->message = message;
        return DYNAMO_FAILED;
    }
    if (is("poll answers 77"))
        return 77;
    if (is("the stream is done before its end"))
        return DYNAMO_DONE;
    if (is("a chunk ends for the reason 77"))
        chunk->finish_reason = 77;
    if (is("a chunk has three tokens at null"))
        chunk->token_ids.ptr = NULL;
    if (is("a chunk has too few log probabilities")) {
        static const double one = -0.5;
        chunk->has = DYNAMO_CHUNK_LOG_PROBS;
        chunk->log_probs.ptr = &one;
        chunk->log_probs.len = 1;
    }
    if (is("a chunk has JSON that is none")) {
        static const DynamoStr json = DYNAMO_STR_INIT("{\"engine_data\": ");
        chunk->json = json;
    }
    return DYNAMO_READY;
}

static void release_stream(void *data) {
    free(data);
}

static const DynamoStreamTable STREAM = {
    DYNAMO_HEADER(DynamoStreamTable, 0), poll_stream, release_stream,
};

static void attach(void *data, const DynamoHost *host) {
    (void)data, (void)host;
}

static DynamoStatus start(void *data, DynamoStr argument, DynamoOperation *operation,
                          DynamoAnswer *answer) {
    static const DynamoStr config = DYNAMO_STR_INIT("{\"model\": \"wrong\"}");
    static const DynamoStr unreachable = DYNAMO_STR_INIT("no weights at s3://nowhere");
    static const DynamoStr not_json = DYNAMO_STR_INIT("model: wrong");
    static const DynamoStr unknown_key = DYNAMO_STR_INIT("{\"model\": \"wrong\", \"contxt_length\": 1}");
    static const DynamoStr unnamed = DYNAMO_STR_INIT("{\"context_length\": 8}");
    (void)data, (void)argument, (void)operation;
    if (is("start fails"))
        return fail(answer, DYNAMO_ERROR_CANNOT_CONNECT, unreachable);
    if (is("start fails in silence"))
        return fail(answer, DYNAMO_ERROR_UNKNOWN, NONE);
    if (is("start answers 77"))
        return 77;
    if (is("start answers done"))
        return DYNAMO_DONE;
    if (is("start begins nothing"))
        return DYNAMO_PENDING;
    answer->text.text = is("start answers no JSON")         ? not_json
                        : is("start answers an unknown key") ? unknown_key
                        : is("start answers no model")       ? unnamed
                                                             : config;
    return DYNAMO_READY;
}

static DynamoStatus generate(void *data, const DynamoRequest *request, DynamoStream *stream,
                             DynamoAnswer *answer) {
    const bool wrong = atomic_fetch_add(&requests, 1) % 2 == 0;
    (void)data, (void)request;
    if (wrong && is("generate fails in silence"))
        return fail(answer, DYNAMO_ERROR_INVALID_ARGUMENT, NONE);
    if (wrong && is("generate answers pending"))
        return DYNAMO_PENDING;
    if (wrong && is("generate answers no stream"))
        return DYNAMO_READY;
    stream->table = &STREAM;
    Answering *answering = calloc(1, sizeof(Answering));
    if (answering == NULL)
        return fail(answer, DYNAMO_ERROR_UNKNOWN, NONE);
    answering->wrong = wrong;
    stream->data = answering;
    return DYNAMO_READY;
}

static DynamoStatus cleanup(void *data, DynamoStr argument, DynamoOperation *operation,
                            DynamoAnswer *answer) {
    (void)data, (void)argument, (void)operation, (void)answer;
    return DYNAMO_READY;
}

/* How many engines were released. */
atomic_uint released;

static void release(void *data) {
    (void)data;
    atomic_fetch_add(&released, 1);
}

static DynamoEngineTable table = {
    DYNAMO_HEADER(DynamoEngineTable, 0),
    DYNAMO_STR_INIT("Wrong"),
    attach,
    NULL,
    start,
    generate,
    NULL,
    NULL,
    NULL,
    NULL,
    cleanup,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    release,
};

DynamoStatus dynamo_engine_new(DynamoStr arguments, DynamoEngine *engine, DynamoAnswer *answer) {
    (void)answer;
    const size_t length = arguments.len < sizeof kind ? arguments.len : sizeof kind - 1;
    memset(kind, 0, sizeof kind);
    memcpy(kind, arguments.ptr, length);
    if (is("an old version"))
        table.header.minor = 0;
    if (is("a newer major version"))
        table.header.major = 9;
    if (is("a newer minor version"))
        table.header.minor = 99;
    if (is("a size that is too small"))
        table.header.size = sizeof(DynamoHeader);
    if (is("a feature that must be understood"))
        table.header.features = DYNAMO_REQUIRED_FEATURES;
    if (is("no name"))
        table.name = NONE;
    if (is("a name in no language"))
        table.name = NOT_UTF8;
    if (is("no start"))
        table.start = NULL;
    engine->table = is("no table") ? NULL : &table;
    engine->data = NULL;
    return DYNAMO_READY;
}
