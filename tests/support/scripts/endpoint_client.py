"""A client of a worker's endpoint, past the frontend: ``endpoint_client.py ENDPOINT REQUESTS``.

It runs in the frontend's environment, whose runtime it uses. ``REQUESTS`` is a JSON list; one is
sent when the last has ended. Prints for each a line of JSON: its chunks, or the text of its error.
"""

import asyncio
import json
import sys

from dynamo.runtime import DistributedRuntime


async def ask(client, request):
    chunks = []
    try:
        async for chunk in await client.generate(request, annotated=True):
            if not chunks:
                print("first chunk", file=sys.stderr, flush=True)
            chunks.append(chunk.data())
    except Exception as error:
        return str(error)
    return chunks


async def main():
    endpoint, requests = sys.argv[1:]
    runtime = DistributedRuntime(asyncio.get_running_loop(), "file", "tcp", event_plane="zmq")
    client = await runtime.endpoint(endpoint).client()
    await client.wait_for_instances()
    for request in json.loads(requests):
        print(json.dumps(await ask(client, request)), flush=True)
    runtime.shutdown()


asyncio.run(main())
