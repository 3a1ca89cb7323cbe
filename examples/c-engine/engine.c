/* An engine in C that needs no model: it answers with the prompt, over and over.
 *
 * One thread makes a token for every request in each step, as an engine that batches does. A stream
 * that has none yet leaves its waker, and the thread wakes it. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "dynamo_engine.h"
#include "engine.h"

#define STEP_NANOSECONDS 1000000
#define MOST_TOKENS 256

#define LITERAL(text) {(const uint8_t *)(text), sizeof(text) - 1}

typedef struct Engine Engine;

/* One request's answer. */
typedef struct Answering {
    Engine *engine;
    const DynamoRequest *request;
    uint32_t wanted;
    uint32_t made;
    uint32_t given;
    bool over;
    /* To be woken at the next token; no table: nobody waits. */
    DynamoWaker waker;
    struct Answering *previous, *next;
} Answering;

struct Engine {
    const DynamoHost *host;
    pthread_t thread;
    bool runs;
    /* Of everything below, and of what an Answering has that changes. */
    pthread_mutex_t lock;
    bool ends;
    Answering *first;
    size_t count;
    /* Room for the waker of each. */
    DynamoWaker *woken;
    size_t room;
    uint64_t tokens;
};

static DynamoStatus failed(DynamoAnswer *answer, DynamoErrorKind kind, DynamoStr message) {
    answer->text.text = message;
    answer->kind = kind;
    return DYNAMO_FAILED;
}

static void log_line(const Engine *engine, DynamoStr message) {
    const DynamoStr no_target = {NULL, 0};
    engine->host->table->log(engine->host->data, DYNAMO_LOG_INFO, no_target, message);
}

/* Makes a token for each request, and answers how many of `woken` are to be woken: without the lock,
 * as a host may do anything in there. */
static size_t step(Engine *engine) {
    size_t count = 0;
    for (Answering *each = engine->first; each != NULL; each = each->next) {
        if (each->made < each->wanted) {
            each->made += 1;
            engine->tokens += 1;
        }
        if (each->waker.table != NULL) {
            engine->woken[count++] = each->waker;
            each->waker.table = NULL;
        }
    }
    return count;
}

static void *run(void *data) {
    Engine *engine = (Engine *)data;
    const struct timespec pause = {0, STEP_NANOSECONDS};
    pthread_mutex_lock(&engine->lock);
    while (!engine->ends) {
        const size_t count = step(engine);
        /* This thread's until the next step: generate may want more room meanwhile. */
        DynamoWaker *woken = engine->woken;
        const size_t room = engine->room;
        engine->woken = NULL;
        engine->room = 0;
        pthread_mutex_unlock(&engine->lock);
        for (size_t at = 0; at < count; at++) {
            woken[at].table->wake(woken[at].data);
            woken[at].table->release(woken[at].data);
        }
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&engine->lock);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}
