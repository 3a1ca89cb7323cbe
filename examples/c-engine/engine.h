/* What makes the engine. */
#ifndef ENGINE_H
#define ENGINE_H

#include "dynamo_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The function by which hosts that are not Python find an engine in a library. */
DynamoStatus dynamo_engine_new(DynamoStr arguments, DynamoEngine *made, DynamoAnswer *answer);

#ifdef __cplusplus
}
#endif

#endif
