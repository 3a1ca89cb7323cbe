"""What is left after many requests: ``counted.py LOOP PORT MODEL REQUESTS``.

Requests come from threads of this process, over HTTP. Some are streamed, some ask for a stop again
and again, some are left by their client, some belong to a synchronous engine. Prints one line of
JSON with what is left of them.
"""

import asyncio
import gc
import json
import sys
import threading
import types
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from plain import Plain

from dynamo_backend_common import Worker, WorkerConfig, serve

LOOP, PORT, MODEL, REQUESTS = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
CLIENTS = 8
WARM_UP = 200
SETTLING = 30
"""Tenths of a second."""
OF_A_REQUEST = ("Pump", "ThreadIteration", "Future", "Task")
OF_LINUX = ("task", "fd")
"""Folders of ``/proc/self``: threads of every kind, and descriptors."""
KEPT = (*OF_LINUX, "threads", "Future")


class Counted(Plain):
    opened = closed = 0

    async def generate(self, request, context):
        Counted.opened += 1
        try:
            assert asyncio.current_task() is not None
            for token in request["token_ids"]:
                stop = context.stopped()
                await asyncio.wait({stop}, timeout=0)
                context.killed()
                yield {"token_ids": [token]}
            if len(request["token_ids"]) == 2:
                # The frontend does not tell of every client that leaves at once.
                await asyncio.wait({context.stopped()}, timeout=5)
                yield {"token_ids": [], "finish_reason": "cancelled"}
                return
            yield {"token_ids": [], "finish_reason": "stop"}
        finally:
            await asyncio.sleep(0)
            Counted.closed += 1


class Threaded(Plain):
    model = "threaded"

    def generate(self, request, context):
        for token in request["token_ids"]:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


def ask(connection, model, number):
    leaves = model == "plain" and number % 50 == 0
    body = {
        "model": model,
        "prompt": [504, 2365] if leaves else [504, 2365, 6354],
        "max_tokens": 8,
        "stream": leaves or number % 2 == 0,
    }
    headers = {"content-type": "application/json"}
    connection.request("POST", "/v1/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    if leaves:
        answer.read1(20)
        answer.close()
        connection.close()
    else:
        answer.read()


def client(start, count):
    with closing(HTTPConnection("127.0.0.1", PORT, timeout=60)) as connection:
        for number in range(start, start + count):
            ask(connection, "threaded" if number % 4 == 3 else "plain", number)


def both_are_listed():
    with closing(HTTPConnection("127.0.0.1", PORT, timeout=60)) as connection:
        connection.request("GET", "/v1/models")
        return len(json.load(connection.getresponse())["data"]) == 2


def resident():
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1])


def left():
    gc.collect()
    counts = dict.fromkeys(OF_A_REQUEST, 0)
    counts |= {name: len(list(Path("/proc/self", name).iterdir())) for name in OF_LINUX}
    counts |= {"tasks": len(asyncio.all_tasks()), "threads": threading.active_count()}
    generators = 0
    for each in gc.get_objects():
        name = type(each).__name__
        if name in counts:
            counts[name] += 1
        if isinstance(each, types.AsyncGeneratorType | types.GeneratorType):
            generators += each.__name__ == "generate"
    return counts | {"generators": generators}


async def load(count):
    share = count // CLIENTS
    threads = [asyncio.to_thread(client, index * share, share) for index in range(CLIENTS)]
    await asyncio.gather(*threads)
    # Those that were left have their end a moment later.
    while Counted.opened != Counted.closed:  # noqa: ASYNC110 (threads of clients make them)
        await asyncio.sleep(0.01)


def is_more(name, before, now):
    # Threads and connections are kept for the next ones, as many as there are clients.
    return now[name] > before[name] + (CLIENTS if name in KEPT else 0)


async def grown(before):
    """What there is more of than ``before``, when what ends a moment later has had its time."""
    for _ in range(SETTLING):
        now = left()
        more = {name: [before[name], now[name]] for name in now if is_more(name, before, now)}
        if not more:
            break
        await asyncio.sleep(0.1)
    return more


async def main():
    serving = [asyncio.Event(), asyncio.Event()]
    workers = [
        Worker(
            engine,
            WorkerConfig(
                model_name=MODEL,
                served_model_name=engine.model,
                endpoint=f"generate{index}",
            ),
            http_port=PORT if index == 0 else None,
            on_state=lambda state, index=index: state == "Serving" and serving[index].set(),
        )
        for index, engine in enumerate((Counted(), Threaded()))
    ]
    running = asyncio.create_task(serve(*workers))
    for each in serving:
        await each.wait()
    while not await asyncio.to_thread(both_are_listed):  # noqa: ASYNC110 (asks the frontend)
        await asyncio.sleep(0.05)
    await load(WARM_UP)
    before, memory = left(), resident()
    await load(REQUESTS)
    result = {
        "grown": await grown(before),
        "kilobytes": resident() - memory,
        "generators": [Counted.opened, Counted.closed],
    }
    workers[0].shutdown()
    await running
    print("left", json.dumps(result), flush=True)


if LOOP == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
