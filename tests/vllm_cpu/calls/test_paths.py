"""Which way tokens come: the best that vLLM's release allows, told in the log."""

from __future__ import annotations

import logging
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from dynamo_backend_common._core import Steps
from dynamo_backend_common.engines.vllm.by_generate import ByGenerate
from dynamo_backend_common.engines.vllm.by_socket import BySocket
from dynamo_backend_common.engines.vllm.by_steps import BySteps
from dynamo_backend_common.engines.vllm.paths import choose_path
from dynamo_backend_common.exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def llm(processor: Any) -> Iterator[Any]:
    """vLLM with all that the ways need of it, and with no engine core behind it."""

    async def untold(*_: Any) -> None: ...

    async def get_supported_tasks() -> tuple[str, ...]:
        return ("generate",)

    async def is_sleeping() -> bool:
        return False

    with (
        tempfile.TemporaryDirectory() as folder,
        zmq.Context() as context,
        context.socket(zmq.PULL) as socket,
    ):
        socket.bind(f"ipc://{folder}/outputs")
        yield SimpleNamespace(
            engine_core=SimpleNamespace(
                add_request_async=untold,
                get_output_async=untold,
                abort_requests_async=untold,
                resources=SimpleNamespace(output_socket=socket),
            ),
            input_processor=processor,
            output_processor=SimpleNamespace(
                update_scheduler_stats=untold, lora_states=None, tracing_enabled=False
            ),
            logger_manager=None,
            get_supported_tasks=get_supported_tasks,
            is_sleeping=is_sleeping,
        )


async def chosen(llm: Any, asked: str = "auto") -> Any:
    return await choose_path(asked, llm, Steps(), counts_requests=True)


async def test_the_best_is_the_socket(llm: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = await chosen(llm)
    assert type(path) is BySocket
    path.close()
    assert "by the engine core's socket, the best there is" in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_what_was_asked_for_is_taken(llm: Any) -> None:
    assert type(await chosen(llm, "steps")) is BySteps
    assert type(await chosen(llm, "generate")) is ByGenerate


async def test_over_a_network_it_is_the_steps(llm: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    socket = llm.engine_core.resources.output_socket
    socket.unbind(socket.last_endpoint)
    socket.bind("tcp://127.0.0.1:*")
    address = socket.last_endpoint
    assert type(await chosen(llm)) is BySteps
    assert (
        "steps, as it cannot be by the socket: the engine core's messages come by tcp:"
        in caplog.text
    )
    assert socket.last_endpoint == address
    with pytest.raises(InvalidArgument, match=r"^--token-path socket: .* tcp:"):
        await chosen(llm, "socket")


@pytest.mark.parametrize("missing", ["metrics.stats.PrefillStats", "serial_utils.MsgpackDecoder"])
async def test_messages_that_are_not_known_go_to_vllms_own_client(
    llm: Any, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    socket = llm.engine_core.resources.output_socket
    address = socket.last_endpoint
    monkeypatch.delattr(f"vllm.v1.{missing}")
    assert type(await chosen(llm)) is BySteps
    assert socket.last_endpoint == address


@pytest.mark.parametrize(
    "missing",
    [
        "vllm.v1.metrics.stats.IterationStats",
        "vllm.v1.engine.input_processor.InputProcessor.assign_request_id",
    ],
)
async def test_without_what_steps_need_it_is_generate_with_one_warning(
    llm: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    monkeypatch.delattr(missing)
    assert type(await chosen(llm)) is ByGenerate
    [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert missing.rpartition(".")[2] in warning.getMessage()
    for asked in ("socket", "steps"):
        with pytest.raises(InvalidArgument, match=f"^--token-path {asked}: this release"):
            await chosen(llm, asked)
