"""What `Steps` promises, as one conversation that any implementation of it can be put through.

`stepped.Conversing` puts `Steps` itself through it, the unit tests of ``llama-cpp`` their stand-in.
"""

from dynamo_backend_common import Unknown

CAPACITY = 64
"""Chunks that a stream takes without a reader before it is stalled."""
REQUESTS = 5
"""How many the conversation is about."""
EXPECTED = [
    ["tokens for two", [], [], 2],
    ["one ends", [], [], 1],
    ["tokens for one that ended", ["a"], [], 1],
    ["an error ends another", [], [], 0],
    ["one that never was", ["unknown"], [], 0],
    ["one with usage and one with a chunk", [], [], 0],
    ["one is full", [], ["a"], 1],
    ["it is full still", [], ["a"], 1],
    ["it is stopped", ["a"], [], 0],
    ["it is told once", [], [], 0],
]


async def told_by(steps, contexts, last_leaves, capacity):
    """What each push reports, and how many streams are open after it.

    ``contexts`` are those of `REQUESTS` requests whose streams nobody reads; ``last_leaves()`` has
    the client of the last one leave.
    """
    told, names = [], {0: "unknown"}
    contexts = iter(contexts)

    def opened(name):
        stream = steps.open(next(contexts))
        names[stream.id] = name
        return stream.id

    def push(what, entries):
        report = steps.push(entries)
        streams = ([names[each] for each in ids] for ids in (report.cancelled, report.stalled))
        told.append([what, *streams, len(steps)])

    a, b = opened("a"), opened("b")
    push("tokens for two", [(a, 1), (b, [2, 3])])
    push("one ends", [(a, [], "stop")])
    push("tokens for one that ended", [(a, 4)])
    push("an error ends another", [(b, Unknown("of this one alone"))])
    push("one that never was", [(0, 5)])
    a, b = opened("a"), opened("b")
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    chunk = {"token_ids": [7], "finish_reason": "length"}
    push("one with usage and one with a chunk", [(a, [6], "stop", usage), (b, chunk)])
    a = opened("a")
    push("one is full", [(a, {"token_ids": [8], "text": str(n)}) for n in range(capacity)])
    push("it is full still", [])
    await last_leaves()
    push("it is stopped", [])
    push("it is told once", [])
    return told
