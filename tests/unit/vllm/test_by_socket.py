"""Between vLLM's engine core and its client; where that cannot be, vLLM stays as it was."""

from __future__ import annotations

import dataclasses
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from dynamo_backend_common import InvalidArgument, Steps
from dynamo_backend_common.engines.vllm.by_socket import BySocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE = Path(__file__).parents[3] / "rust" / "vllm" / "samples" / "0.32.0.txt"
FIELDS = {
    words[1]: words[2:]
    for line in SAMPLE.read_text().splitlines()
    if (words := line.split())[0] == "fields"
}
MESSAGE = b"for vLLM's client"


def array(name: str, fields: list[str], *, array_like: bool = True) -> type:
    config = SimpleNamespace(array_like=array_like)
    return type(name, (), {"__struct_fields__": tuple(fields), "__struct_config__": config})


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What is looked at of a release of vLLM: here all its modules are one."""
    release = ModuleType("vllm")
    for name in ("EngineCoreOutputs", "EngineCoreOutput"):
        setattr(release, name, array(name, FIELDS[name]))
    for name in ("PrefillStats", "SchedulerStats"):
        setattr(release, name, dataclasses.make_dataclass(name, FIELDS[name]))
    vars(release).update(
        LogprobsLists=namedtuple("LogprobsLists", FIELDS["LogprobsLists"]),
        MsgpackDecoder=lambda struct: struct,
    )
    for name in ("engine", "outputs", "metrics.stats", "serial_utils"):
        monkeypatch.setitem(sys.modules, f"vllm.v1.{name}", release)
    return release


@pytest.fixture
def client() -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.PULL) as client:
        yield client


@pytest.fixture
def core() -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.PUSH) as core:
        core.linger = 0
        yield core


def connect(client: zmq.Socket[bytes], core: zmq.Socket[bytes], address: str) -> None:
    """Has the core send to the client."""
    client.bind(address)
    core.connect(client.get_string(zmq.LAST_ENDPOINT).rstrip("\0"))
    arrives(client, core)


def arrives(client: zmq.Socket[bytes], core: zmq.Socket[bytes]) -> None:
    """Waits until the client has what the core sends: not before it has connected anew."""
    core.send(MESSAGE)
    while not client.poll(500):
        core.send(MESSAGE)
    while client.poll(0):
        assert client.recv() == MESSAGE


def between(client: zmq.Socket[bytes]) -> BySocket:
    core = SimpleNamespace(resources=SimpleNamespace(output_socket=client))
    llm = SimpleNamespace(engine_core=core, input_processor=None)
    statistics: Any = SimpleNamespace(per_request=True)
    return BySocket(llm, Steps(), statistics, None)


@pytest.mark.usefixtures("release")
def test_what_is_for_vllms_client_reaches_it(
    client: zmq.Socket[bytes], core: zmq.Socket[bytes], tmp_path: Path
) -> None:
    connect(client, core, f"ipc://{tmp_path}/core")
    socket = between(client)
    arrives(client, core)
    socket.close()


CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "no vllm.v1.outputs.LogprobsLists": lambda it: delattr(it, "LogprobsLists"),
    "EngineCoreOutput has no field 'events'": lambda it: setattr(
        it, "EngineCoreOutput", array("", [n for n in FIELDS["EngineCoreOutput"] if n != "events"])
    ),
    "sends EngineCoreOutputs otherwise": lambda it: setattr(
        it, "EngineCoreOutputs", array("", FIELDS["EngineCoreOutputs"], array_like=False)
    ),
    "sends LogprobsLists otherwise": lambda it: setattr(it, "LogprobsLists", list),
    "sends SchedulerStats otherwise": lambda it: setattr(it, "SchedulerStats", array("", [])),
    "no vllm.v1.serial_utils.MsgpackDecoder": lambda it: delattr(it, "MsgpackDecoder"),
}


@pytest.mark.parametrize("told", CHANGES)
def test_a_release_with_other_messages_is_refused(
    release: ModuleType,
    client: zmq.Socket[bytes],
    core: zmq.Socket[bytes],
    tmp_path: Path,
    told: str,
) -> None:
    CHANGES[told](release)
    connect(client, core, f"ipc://{tmp_path}/core")
    with pytest.raises(InvalidArgument, match=told):
        between(client)
    arrives(client, core)


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:*", "ipc://{folder}/{name}"])
def test_an_address_that_cannot_be_used_is_refused(
    client: zmq.Socket[bytes], core: zmq.Socket[bytes], tmp_path: Path, address: str
) -> None:
    # As long as the path of a socket may be.
    name = "n" * (zmq.IPC_PATH_MAX_LEN - len(f"{tmp_path}/"))
    connect(client, core, address.format(folder=tmp_path, name=name))
    with pytest.raises(InvalidArgument, match=r"sends to tcp://|ipc path"):
        between(client)
    arrives(client, core)
