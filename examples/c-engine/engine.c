/* An engine in C that needs no model: it answers with the prompt, over and over.
 *
 * One thread makes a token for every request in each step, as an engine that batches does. A stream
 * that has none yet leaves its waker, and the thread wakes it. */
#define _POSIX_C_SOURCE 200809L
#include "engine.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_NANOSECONDS 1000000
#define MOST_TOKENS 256


typedef struct Engine Engine;

/* The answer to one request. */
typedef struct Answering {
    Engine *engine;
    const DynamoRequest *request;
    uint32_t wanted, made, given;
    bool over;
    /* To be woken at the next token; without a table nobody waits. */
    DynamoWaker waker;
    struct Answering *previous, *next;
} Answering;

struct Engine {
    const DynamoHost *host;
    pthread_t thread;
    bool runs;
    /* Of what follows, and of what changes in an Answering. */
    pthread_mutex_t lock;
    bool ends;
    Answering *first;
    size_t count;
    uint64_t tokens;
};

static const DynamoStr NONE = {NULL, 0};

static DynamoStatus fail(DynamoAnswer *answer, DynamoErrorKind kind, DynamoStr message) {
    answer->text.text = message;
    answer->kind = kind;
    return DYNAMO_FAILED;
}

static void let_go(DynamoWaker *waker) {
    if (waker->table != NULL) {
        waker->table->release(waker->data);
        waker->table = NULL;
    }
}

/* Wakers that the thread has taken. */
typedef struct Woken {
    DynamoWaker *wakers;
    size_t room, count;
} Woken;

/* Makes a token for each request, with the lock held. */
static void step(Engine *engine, Woken *woken) {
    woken->count = 0;
    if (woken->room < engine->count) {
        void *more = realloc(woken->wakers, engine->count * sizeof(DynamoWaker));
        if (more == NULL)
            return;
        woken->wakers = (DynamoWaker *)more;
        woken->room = engine->count;
    }
    for (Answering *each = engine->first; each != NULL; each = each->next) {
        if (each->made < each->wanted) {
            each->made++;
            engine->tokens++;
        }
        if (each->waker.table != NULL) {
            woken->wakers[woken->count++] = each->waker;
            each->waker.table = NULL;
        }
    }
}

static void *run(void *data) {
    Engine *engine = (Engine *)data;
    const struct timespec pause = {0, STEP_NANOSECONDS};
    Woken woken = {NULL, 0, 0};
    pthread_mutex_lock(&engine->lock);
    while (!engine->ends) {
        step(engine, &woken);
        /* Without the lock: what a waker does is the host's affair. */
        pthread_mutex_unlock(&engine->lock);
        for (size_t at = 0; at < woken.count; at++) {
            woken.wakers[at].table->wake(woken.wakers[at].data);
            let_go(&woken.wakers[at]);
        }
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&engine->lock);
    }
    pthread_mutex_unlock(&engine->lock);
    free(woken.wakers);
    return NULL;
}

/* The stream of a request. */

static DynamoStatus give(Answering *answering, DynamoChunk *chunk) {
    const DynamoTokenIds prompt = answering->request->token_ids;
    /* Up to the end of the prompt: the chunk lends its memory, which outlives the stream. */
    const size_t place = answering->given % prompt.len;
    const size_t ready = answering->made - answering->given;
    chunk->token_ids.ptr = prompt.ptr + place;
    chunk->token_ids.len = ready < prompt.len - place ? ready : prompt.len - place;
    answering->given += (uint32_t)chunk->token_ids.len;
    return DYNAMO_READY;
}

static DynamoStatus end(Answering *answering, DynamoFinishReason reason, DynamoChunk *chunk) {
    answering->over = true;
    chunk->finish_reason = reason;
    chunk->has |= DYNAMO_CHUNK_USAGE;
    chunk->usage.prompt_tokens = (uint32_t)answering->request->token_ids.len;
    chunk->usage.completion_tokens = answering->given;
    return DYNAMO_READY;
}

static DynamoStatus poll_stream(void *data, const DynamoWaker *waker, DynamoChunk *chunk) {
    Answering *answering = (Answering *)data;
    Engine *engine = answering->engine;
    const DynamoRequest *request = answering->request;
    if (answering->over)
        return DYNAMO_DONE;
    /* Has the same waker woken when the client leaves. */
    if (request->table->poll_stopped(request->data, waker) == DYNAMO_READY)
        return end(answering, DYNAMO_FINISH_CANCELLED, chunk);
    const DynamoWaker mine = {waker->table, waker->table->clone(waker->data)};
    DynamoWaker left = mine;
    DynamoStatus status = DYNAMO_PENDING;
    pthread_mutex_lock(&engine->lock);
    if (answering->made > answering->given) {
        status = give(answering, chunk);
    } else if (answering->given == answering->wanted) {
        status = end(answering, DYNAMO_FINISH_LENGTH, chunk);
    } else {
        left = answering->waker;
        answering->waker = mine;
    }
    pthread_mutex_unlock(&engine->lock);
    let_go(&left);
    return status;
}

static void release_stream(void *data) {
    Answering *answering = (Answering *)data;
    Engine *engine = answering->engine;
    pthread_mutex_lock(&engine->lock);
    if (answering->previous != NULL)
        answering->previous->next = answering->next;
    else
        engine->first = answering->next;
    if (answering->next != NULL)
        answering->next->previous = answering->previous;
    engine->count--;
    pthread_mutex_unlock(&engine->lock);
    let_go(&answering->waker);
    free(answering);
}

static const DynamoStreamTable STREAM = {
    DYNAMO_HEADER(DynamoStreamTable, 0),
    poll_stream,
    release_stream,
};

/* The engine. */

static void attach(void *data, const DynamoHost *host) {
    ((Engine *)data)->host = host;
}

static DynamoStatus start(void *data, DynamoStr argument, DynamoOperation *operation,
                          DynamoAnswer *answer) {
    static const DynamoStr config = DYNAMO_STR_INIT("{\"model\": \"cycle\", \"context_length\": 8192}");
    static const DynamoStr no_thread = DYNAMO_STR_INIT("a thread could not be started");
    static const DynamoStr loaded = DYNAMO_STR_INIT("an engine in C has started");
    Engine *engine = (Engine *)data;
    (void)argument, (void)operation;
    engine->runs = pthread_create(&engine->thread, NULL, run, engine) == 0;
    if (!engine->runs)
        return fail(answer, DYNAMO_ERROR_UNKNOWN, no_thread);
    engine->host->table->log(engine->host->data, DYNAMO_LOG_INFO, NONE, loaded);
    answer->text.text = config;
    return DYNAMO_READY;
}

static DynamoStatus generate(void *data, const DynamoRequest *request, DynamoStream *stream,
                             DynamoAnswer *answer) {
    static const DynamoStr empty = DYNAMO_STR_INIT("token_ids: an empty prompt cannot be repeated");
    static const DynamoStr unsupported =
        DYNAMO_STR_INIT("this engine repeats its prompt: it has one output, no grammar and no images");
    static const DynamoStr no_memory = DYNAMO_STR_INIT("no memory for a request");
    Engine *engine = (Engine *)data;
    if (request->token_ids.len == 0)
        return fail(answer, DYNAMO_ERROR_INVALID_ARGUMENT, empty);
    if (request->has & DYNAMO_REQUEST_MORE)
        return fail(answer, DYNAMO_ERROR_INVALID_ARGUMENT, unsupported);
    Answering *answering = (Answering *)calloc(1, sizeof(Answering));
    if (answering == NULL)
        return fail(answer, DYNAMO_ERROR_UNKNOWN, no_memory);
    answering->engine = engine;
    answering->request = request;
    answering->wanted = request->has & DYNAMO_REQUEST_MAX_TOKENS ? request->max_tokens : MOST_TOKENS;
    pthread_mutex_lock(&engine->lock);
    answering->next = engine->first;
    if (engine->first != NULL)
        engine->first->previous = answering;
    engine->first = answering;
    engine->count++;
    pthread_mutex_unlock(&engine->lock);
    stream->table = &STREAM;
    stream->data = answering;
    return DYNAMO_READY;
}

static DynamoStatus health_check_payload(void *data, DynamoStr argument, DynamoOperation *operation,
                                         DynamoAnswer *answer) {
    static const DynamoStr payload = DYNAMO_STR_INIT("{\"token_ids\": [1], \"model\": \"cycle\","
                                             " \"stop_conditions\": {\"max_tokens\": 1},"
                                             " \"sampling_options\": {}, \"output_options\": {}}");
    (void)data, (void)argument, (void)operation;
    answer->text.text = payload;
    return DYNAMO_READY;
}

static DynamoStatus setup_metrics(void *data, DynamoStr argument, DynamoOperation *operation,
                                  DynamoAnswer *answer) {
    static const DynamoStr has_text = DYNAMO_STR_INIT("{\"text\": true}");
    (void)data, (void)argument, (void)operation;
    answer->text.text = has_text;
    return DYNAMO_READY;
}

static DynamoStatus metrics_text(void *data, DynamoAnswer *answer) {
    Engine *engine = (Engine *)data;
    const size_t room = 256;
    char *text = (char *)malloc(room);
    if (text == NULL)
        return DYNAMO_READY;
    pthread_mutex_lock(&engine->lock);
    const uint64_t tokens = engine->tokens;
    pthread_mutex_unlock(&engine->lock);
    snprintf(text, room,
             "# HELP cycle_tokens_total Tokens that were made.\n"
             "# TYPE cycle_tokens_total counter\n"
             "cycle_tokens_total %" PRIu64 "\n",
             tokens);
    answer->text.text.ptr = (const uint8_t *)text;
    answer->text.text.len = strlen(text);
    /* Given away, and freed by whoever has read it. */
    answer->text.owner = text;
    answer->text.release = free;
    return DYNAMO_READY;
}

static DynamoStatus cleanup(void *data, DynamoStr argument, DynamoOperation *operation,
                            DynamoAnswer *answer) {
    Engine *engine = (Engine *)data;
    (void)argument, (void)operation, (void)answer;
    pthread_mutex_lock(&engine->lock);
    engine->ends = true;
    pthread_mutex_unlock(&engine->lock);
    if (engine->runs)
        pthread_join(engine->thread, NULL);
    engine->runs = false;
    return DYNAMO_READY;
}

static void release(void *data) {
    pthread_mutex_destroy(&((Engine *)data)->lock);
    free(data);
}

static const DynamoEngineTable TABLE = {
    DYNAMO_HEADER(DynamoEngineTable, 0),
    DYNAMO_STR_INIT("Cycle"),
    attach,
    NULL, /* configure */
    start,
    generate,
    NULL, /* abort */
    NULL, /* watch */
    NULL, /* drain */
    NULL, /* is_quiescent */
    cleanup,
    setup_metrics,
    metrics_text,
    NULL, /* kv_event_sources */
    health_check_payload,
    NULL, /* on_adapter_cards */
    NULL, /* supported_controls */
    NULL, /* engine_control */
    NULL, /* validate_engine_control */
    NULL, /* supported_updates */
    NULL, /* engine_update */
    release,
};

DynamoStatus dynamo_engine_new(DynamoStr arguments, DynamoEngine *made, DynamoAnswer *answer) {
    static const DynamoStr no_memory = DYNAMO_STR_INIT("no memory for an engine");
    Engine *engine = (Engine *)calloc(1, sizeof(Engine));
    (void)arguments;
    if (engine == NULL || pthread_mutex_init(&engine->lock, NULL) != 0) {
        free(engine);
        return fail(answer, DYNAMO_ERROR_UNKNOWN, no_memory);
    }
    made->table = &TABLE;
    made->data = engine;
    return DYNAMO_READY;
}
