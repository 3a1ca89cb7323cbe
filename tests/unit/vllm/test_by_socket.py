"""Between vLLM's engine core and its client; where that cannot be, vLLM stays as it was."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zmq
import zmq.asyncio

from dynamo_backend_common import InvalidArgument, Steps
from dynamo_backend_common.engines.vllm.by_socket import BySocket

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def stand_between(address: str) -> None:
    """Stands between a client and a core; what the core sends arrives, also where that raises."""
    with (
        zmq.asyncio.Context() as context,
        context.socket(zmq.PULL) as client,
        context.socket(zmq.PUSH) as core,
    ):
        core.linger = 0

        async def arrives() -> None:
            received = asyncio.ensure_future(client.recv())
            while not received.done():
                # What is sent before the core has connected anew may be lost.
                await core.send(MESSAGE)
                await asyncio.wait([received], timeout=0.1)
            assert received.result() == MESSAGE

        client.bind(address)
        core.connect(client.get_string(zmq.LAST_ENDPOINT).rstrip("\0"))
        await arrives()
        statistics: Any = SimpleNamespace(per_request=True)
        llm = SimpleNamespace(
            engine_core=SimpleNamespace(resources=SimpleNamespace(output_socket=client)),
            input_processor=None,
            is_sleeping=arrives,
        )
        try:
            socket = await BySocket.begin(llm, Steps(), statistics, None)
        finally:
            await arrives()
        socket.close()


@pytest.mark.usefixtures("release")
def test_what_is_for_vllms_client_reaches_it(tmp_path: Path) -> None:
    asyncio.run(stand_between(f"ipc://{tmp_path}/core"))


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
    release: ModuleType, tmp_path: Path, told: str
) -> None:
    CHANGES[told](release)
    with pytest.raises(InvalidArgument, match=told):
        asyncio.run(stand_between(f"ipc://{tmp_path}/core"))


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:*", "ipc://{folder}/{name}"])
def test_an_address_that_cannot_be_used_is_refused(tmp_path: Path, address: str) -> None:
    # As long as the path of a socket may be.
    name = "n" * (zmq.IPC_PATH_MAX_LEN - len(f"{tmp_path}/"))
    with pytest.raises(InvalidArgument, match=r"come by tcp://|ipc path"):
        asyncio.run(stand_between(address.format(folder=tmp_path, name=name)))
