"""An `OutputSocket` that a forked child has too, and one that is dropped without a close."""

import asyncio
import os
import tempfile

import zmq
from cored import LAYOUT

from dynamo_backend_common import Steps
from dynamo_backend_common._core import OutputSocket
from dynamo_backend_common.engines.vllm.by_socket import let_go

folder = tempfile.mkdtemp()
address, aside = (f"ipc://{folder}/{name}" for name in ("core", "aside"))
context = zmq.Context()
client, core = context.socket(zmq.PULL), context.socket(zmq.PUSH)
client.bind(aside)
core.connect(address)


def make():
    asyncio.run(let_go(address))
    return OutputSocket(Steps(), LAYOUT, address=address, forward_to=aside, statistics=False)


def arrives(message):
    # The core knows only after a moment that nobody reads where it sent to before.
    core.send(message)
    while not client.poll(500):
        core.send(message)
    while client.poll(0):
        assert client.recv() == message
    return True


socket = make()
child = os.fork()
if child == 0:
    raised = False
    try:
        socket.take()
    except RuntimeError:
        raised = True
    socket.close()
    del socket
    os._exit(0 if raised else 1)
assert os.waitpid(child, 0) == (child, 0)
print("behind a child", arrives(b"one"))
del socket
socket = make()
print("behind one that was dropped", arrives(b"two"))
