"""What `Steps` promises, as one conversation; `stepped.Conversing` puts it through that."""

import asyncio

from dynamo_backend_common import Unknown

STALLING = {"token_ids": [], "text": "x" * 50_000}
"""A chunk of which soon more is there than fits between an engine and a client that reads none."""
REQUESTS = 6
"""How many the conversation is about."""
EXPECTED = [
    ["tokens for two", [], 2],
    ["one ends", [], 1],
    ["tokens for one that ended", ["a"], 1],
    ["an error ends another", [], 0],
    ["one that never was", ["unknown"], 0],
    ["one with usage and one with a chunk", [], 0],
    ["one stalls", ["a"], 1],
    ["another begins", [], 2],
    ["it is stopped", ["b"], 1],
    ["it is told once", [], 1],
]
"""After each push: who was told as cancelled (where one stalls: who did), how many are open."""


async def told_by(steps, contexts, last_leaves):
    """What each push reports, and how many streams are open after it.

    ``contexts`` are those of `REQUESTS` requests, of which only the last one's stream is read;
    ``last_leaves()`` has its client leave.
    """
    told, names = [], {0: "unknown"}
    contexts = iter(contexts)

    def opened(name):
        stream = steps.open(next(contexts))
        names[stream.id] = name
        return stream.id

    def push(what, entries):
        cancelled = [names[each] for each in steps.push(entries).cancelled]
        told.append([what, cancelled, len(steps)])

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
    while not (stalled := steps.push([(a, STALLING)] * 8).stalled):  # noqa: ASYNC110 (others read)
        await asyncio.sleep(0.001)
    told.append(["one stalls", [names[each] for each in stalled], len(steps)])
    b = opened("b")
    push("another begins", [(b, 504)])
    await last_leaves()
    push("it is stopped", [])
    push("it is told once", [])
    return told
