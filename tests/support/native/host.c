/* A small host: loads an engine from a library and drives it from several threads, so that a tool that
 * watches memory or threads sees every function of it. Ends with 0 if the engine did what it should. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dynamo_engine.h"

#define CHECK(is_so)                                                                                 \
    do {                                                                                             \
        if (!(is_so)) {                                                                              \
            fprintf(stderr, "host.c:%d: not so: %s\n", __LINE__, #is_so);                            \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

/* A task that sleeps until it is woken; it lives as long as somebody has a waker of it. */
typedef struct Task {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    atomic_int held;
} Task;

static void *hold(void *data) {
    atomic_fetch_add(&((Task *)data)->held, 1);
    return data;
}

static void wake(void *data) {
    Task *task = data;
    pthread_mutex_lock(&task->lock);
    task->woken = true;
    pthread_cond_signal(&task->changed);
    pthread_mutex_unlock(&task->lock);
}

static bool is_same(void *data, void *other) {
    return data == other;
}

static void let_go(void *data) {
    Task *task = data;
    if (atomic_fetch_sub(&task->held, 1) > 1)
        return;
    pthread_cond_destroy(&task->changed);
    pthread_mutex_destroy(&task->lock);
    free(task);
}

static const DynamoWakerTable WAKER = {
    DYNAMO_HEADER(DynamoWakerTable, 0), hold, wake, is_same, let_go,
};

static DynamoWaker new_task(void) {
    Task *task = calloc(1, sizeof(Task));
    CHECK(task != NULL);
    pthread_mutex_init(&task->lock, NULL);
    pthread_cond_init(&task->changed, NULL);
    task->held = 1;
    return (DynamoWaker){&WAKER, task};
}

static void sleep_until_woken(DynamoWaker waker) {
    Task *task = waker.data;
    pthread_mutex_lock(&task->lock);
    while (!task->woken)
        pthread_cond_wait(&task->changed, &task->lock);
    task->woken = false;
    pthread_mutex_unlock(&task->lock);
}

/* A request whose client may leave. */
typedef struct Asked {
    DynamoRequest request;
    pthread_mutex_t lock;
    bool stopped;
    /* Of the last `poll_stopped`. */
    DynamoWaker waker;
} Asked;

static bool is_stopped(void *data) {
    Asked *asked = data;
    pthread_mutex_lock(&asked->lock);
    const bool stopped = asked->stopped;
    pthread_mutex_unlock(&asked->lock);
    return stopped;
}

static DynamoStatus poll_stopped(void *data, const DynamoWaker *waker) {
    Asked *asked = data;
    const DynamoWaker mine = {waker->table, waker->table->clone(waker->data)};
    pthread_mutex_lock(&asked->lock);
    const DynamoWaker before = asked->waker;
    asked->waker = mine;
    const bool stopped = asked->stopped;
    pthread_mutex_unlock(&asked->lock);
    if (before.table != NULL)
        before.table->release(before.data);
    return stopped ? DYNAMO_READY : DYNAMO_PENDING;
}

static void stop(Asked *asked) {
    pthread_mutex_lock(&asked->lock);
    asked->stopped = true;
    const DynamoWaker waker = asked->waker;
    asked->waker.table = NULL;
    pthread_mutex_unlock(&asked->lock);
    if (waker.table != NULL) {
        waker.table->wake(waker.data);
        waker.table->release(waker.data);
    }
}

static void notify_first_token(void *data) {
    (void)data;
}

static DynamoStatus no_json(void *data, DynamoStr *json) {
    (void)data;
    *json = (DynamoStr){NULL, 0};
    return DYNAMO_FAILED;
}

static const DynamoRequestTable REQUEST = {
    DYNAMO_HEADER(DynamoRequestTable, 0), is_stopped, poll_stopped, notify_first_token, no_json,
    no_json,
};

static Asked *new_request(uint64_t key, uint32_t tokens, uint32_t max_tokens) {
    Asked *asked = calloc(1, sizeof(Asked));
    uint32_t *prompt = malloc(tokens * sizeof(uint32_t));
    CHECK(asked != NULL && prompt != NULL);
    for (uint32_t at = 0; at < tokens; at++)
        prompt[at] = at + 1;
    pthread_mutex_init(&asked->lock, NULL);
    DynamoRequest *request = &asked->request;
    request->table = &REQUEST;
    request->data = asked;
    request->size = sizeof(DynamoRequest);
    request->has = DYNAMO_REQUEST_MAX_TOKENS | DYNAMO_REQUEST_IGNORE_EOS;
    request->max_tokens = max_tokens;
    request->key = key;
    request->id = DYNAMO_STR("asked");
    request->model = DYNAMO_STR("test");
    request->token_ids = (DynamoTokenIds){prompt, tokens};
    return asked;
}

static void free_request(Asked *asked) {
    if (asked->waker.table != NULL)
        asked->waker.table->release(asked->waker.data);
    pthread_mutex_destroy(&asked->lock);
    free((void *)asked->request.token_ids.ptr);
    free(asked);
}

/* What an engine is given. */

static void log_line(void *data, DynamoLogLevel level, DynamoStr target, DynamoStr message) {
    (void)data, (void)level, (void)target;
    fprintf(stderr, "log: %.*s\n", (int)message.len, (const char *)message.ptr);
}

static bool log_enabled(void *data, DynamoLogLevel level) {
    (void)data;
    return level <= DYNAMO_LOG_INFO;
}

static DynamoStatus push_snapshot(void *data, const DynamoSnapshot *snapshot) {
    (void)data;
    CHECK(snapshot->used_blocks <= snapshot->total_blocks);
    return DYNAMO_READY;
}

static DynamoStatus publish_stored(void *data, const DynamoStoredBlocks *stored, DynamoAnswer *answer) {
    (void)data, (void)answer;
    for (size_t at = 0; at < stored->count; at++)
        CHECK(stored->blocks[at].token_ids.ptr[0] != 0);
    return DYNAMO_READY;
}

static DynamoStatus publish_removed(void *data, uint32_t rank, const uint64_t *hashes, size_t count) {
    (void)data, (void)rank;
    CHECK(count == 0 || hashes != NULL);
    return DYNAMO_READY;
}

static DynamoStatus publish_cleared(void *data, uint32_t rank) {
    (void)data, (void)rank;
    return DYNAMO_READY;
}

static DynamoStatus adapter_card(void *data, DynamoStr name, bool publish, DynamoOperation *operation,
                                 DynamoAnswer *answer) {
    (void)data, (void)name, (void)publish, (void)operation, (void)answer;
    return DYNAMO_READY;
}

static const DynamoHostTable HOST = {
    DYNAMO_HEADER(DynamoHostTable, 0),
    {(const uint8_t *)"1.6.1", 5},
    log_line,
    log_enabled,
    push_snapshot,
    publish_stored,
    publish_removed,
    publish_cleared,
    adapter_card,
};

static DynamoEngine engine;

static void free_text(DynamoAnswer *answer) {
    if (answer->text.release != NULL)
        answer->text.release(answer->text.owner);
    *answer = (DynamoAnswer){0};
}

/* Calls to the end what may be missing. */
static DynamoStatus call(DynamoBegin function, DynamoStr argument) {
    DynamoOperation operation = {NULL, NULL};
    DynamoAnswer answer = {0};
    if (function == NULL)
        return DYNAMO_READY;
    DynamoStatus status = function(engine.data, argument, &operation, &answer);
    if (status == DYNAMO_PENDING) {
        const DynamoWaker waker = new_task();
        while ((status = operation.table->poll(operation.data, &waker, &answer)) == DYNAMO_PENDING)
            sleep_until_woken(waker);
        operation.table->release(operation.data);
        waker.table->release(waker.data);
    }
    free_text(&answer);
    return status;
}

typedef enum Leaving { NEVER, STOPS, DROPS, DROPS_AT_ONCE, DROPS_WAITING, WAYS } Leaving;

typedef struct Client {
    Leaving leaving;
    Asked *asked;
    DynamoStream stream;
    uint32_t tokens;
} Client;

/* Reads a stream to its end, on a thread of its own. */
static void *read_stream(void *data) {
    Client *client = data;
    const DynamoStreamTable *table = client->stream.table;
    const DynamoWaker waker = new_task();
    DynamoFinishReason reason = DYNAMO_FINISH_NONE;
    while (client->leaving != DROPS_AT_ONCE) {
        DynamoChunk chunk = {0};
        chunk.size = sizeof(DynamoChunk);
        const DynamoStatus status = table->poll(client->stream.data, &waker, &chunk);
        CHECK(status != DYNAMO_FAILED);
        if (status == DYNAMO_DONE)
            break;
        if (status == DYNAMO_PENDING) {
            if (client->leaving == DROPS_WAITING)
                break;
            sleep_until_woken(waker);
            continue;
        }
        CHECK(reason == DYNAMO_FINISH_NONE);
        reason = chunk.finish_reason;
        for (size_t at = 0; at < chunk.token_ids.len; at++)
            CHECK(chunk.token_ids.ptr[at] != 0);
        client->tokens += (uint32_t)chunk.token_ids.len;
        if (client->leaving == STOPS)
            stop(client->asked);
        if (client->leaving == DROPS)
            break;
    }
    if (client->leaving == STOPS)
        CHECK(reason == DYNAMO_FINISH_CANCELLED);
    if (client->leaving == NEVER)
        CHECK(reason == DYNAMO_FINISH_LENGTH && client->tokens == client->asked->request.max_tokens);
    table->release(client->stream.data);
    free_request(client->asked);
    waker.table->release(waker.data);
    return NULL;
}

static void ask_many(void) {
    enum { CLIENTS = 32 };
    Client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (uint32_t at = 0; at < CLIENTS; at++) {
        Client *client = &clients[at];
        DynamoAnswer answer = {0};
        *client = (Client){(Leaving)(at % WAYS), NULL, {NULL, NULL}, 0};
        client->asked = new_request(at, 1 + at, client->leaving == NEVER ? 24 : 4000);
        CHECK(engine.table->generate(engine.data, &client->asked->request, &client->stream,
                                     &answer) == DYNAMO_READY);
        CHECK(pthread_create(&threads[at], NULL, read_stream, client) == 0);
    }
    for (uint32_t at = 0; at < CLIENTS; at++)
        pthread_join(threads[at], NULL);
}

/* It is refused at once, or by the stream. */
static void ask_for_nothing(void) {
    Asked *asked = new_request(1000, 0, 1);
    DynamoStream stream = {NULL, NULL};
    DynamoAnswer answer = {0};
    DynamoChunk chunk = {0};
    chunk.size = sizeof(DynamoChunk);
    const DynamoStatus begun =
        engine.table->generate(engine.data, &asked->request, &stream, &answer);
    if (begun == DYNAMO_READY) {
        const DynamoWaker waker = new_task();
        CHECK(stream.table->poll(stream.data, &waker, &chunk) == DYNAMO_FAILED);
        CHECK(chunk.error_kind == DYNAMO_ERROR_INVALID_ARGUMENT && chunk.message.len > 0);
        stream.table->release(stream.data);
        waker.table->release(waker.data);
    } else {
        CHECK(answer.kind == DYNAMO_ERROR_INVALID_ARGUMENT && answer.text.text.len > 0);
    }
    free_text(&answer);
    free_request(asked);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    DynamoNewEngine new_engine = NULL;
    void *symbol = dlsym(library, DYNAMO_ENGINE_SYMBOL);
    CHECK(symbol != NULL);
    memcpy(&new_engine, &symbol, sizeof symbol);
    DynamoAnswer answer = {0};
    const DynamoStr none = {NULL, 0};

    /* One that nobody takes. */
    CHECK(new_engine(none, &engine, &answer) == DYNAMO_READY);
    engine.table->release(engine.data);

    const DynamoHost host = {&HOST, NULL};
    CHECK(new_engine(none, &engine, &answer) == DYNAMO_READY);
    CHECK(engine.table->header.size >= sizeof(DynamoEngineTable));
    engine.table->attach(engine.data, &host);
    CHECK(call(engine.table->start, DYNAMO_STR("{\"worker_id\": \"1\"}")) == DYNAMO_READY);
    CHECK(call(engine.table->setup_metrics,
               DYNAMO_STR("{\"model\": \"test\", \"component\": \"backend\", \"labels\": {},"
                          " \"model_load_seconds\": 0.5}")) == DYNAMO_READY);
    CHECK(call(engine.table->kv_event_sources, none) == DYNAMO_READY);
    CHECK(call(engine.table->health_check_payload, none) == DYNAMO_READY);
    for (int round = 0; round < 3; round++)
        ask_many();
    ask_for_nothing();
    if (engine.table->metrics_text != NULL) {
        CHECK(engine.table->metrics_text(engine.data, &answer) == DYNAMO_READY);
        free_text(&answer);
    }
    CHECK(call(engine.table->drain, none) == DYNAMO_READY);
    CHECK(call(engine.table->cleanup, none) == DYNAMO_READY);
    CHECK(call(engine.table->cleanup, none) == DYNAMO_READY);
    engine.table->release(engine.data);
    puts("the engine did what it should");
    return 0;
}
