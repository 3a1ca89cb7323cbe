"""Controls in an order in which vLLM would run requests without memory, or with half weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common.engines.vllm.controls import Controls


class Scheduled:
    """A vLLM that says whether requests run, as its own scheduler does."""

    vllm_config = SimpleNamespace(
        model_config=SimpleNamespace(enable_sleep_mode=True),
        profiler_config=SimpleNamespace(profiler=None),
        weight_transfer_config=SimpleNamespace(backend="nccl"),
    )

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.runs = True
        self.has_old_cache = True

    async def sleep(self, level: int, mode: str) -> None:
        assert mode == "abort"
        self.runs = False
        if level:
            self.away = {"weights", "kv_cache"}

    async def wake_up(self, tags: list[str] | None) -> None:
        if self.away and (tags is None or self.away.issuperset(set(tags) - {"scheduling"})):
            self.away -= self.away if tags is None else set(tags)
        self.runs = not self.away

    async def is_sleeping(self) -> bool:
        return not self.runs

    async def is_paused(self) -> bool:
        return not self.runs

    async def pause_generation(self, mode: str, clear_cache: bool) -> None:
        self.runs = False

    async def resume_generation(self) -> None:
        self.runs = True

    async def start_weight_update(self) -> None:
        assert not self.runs
        assert "weights" not in self.away

    async def reset_prefix_cache(self, reset_running_requests: bool) -> bool:
        self.has_old_cache = not reset_running_requests
        return True

    async def finish_weight_update(self, version: str | None) -> None: ...

    async def get_weight_version(self) -> str:
        return "default"


class Told:
    """Tells a vLLM one control after the other."""

    def __init__(self) -> None:
        self.vllm = Scheduled()
        self._controls = Controls(self.vllm, None)

    async def __call__(self, name: str, **body: Any) -> Any:
        return (await self._controls(name, body))["status"]


@pytest.fixture
def tell() -> Told:
    return Told()


async def test_what_sleeps_stays_asleep_whatever_is_told_to_sleep_again(tell: Told) -> None:
    await tell("sleep", level=1)
    await tell("sleep", level=0)
    assert await tell("resume_generation") == "error"
    assert not tell.vllm.runs
    assert await tell("wake_up") == "ok"
    assert await tell("resume_generation") == "ok"


async def test_what_is_awake_keeps_nothing_asleep(tell: Told) -> None:
    await tell("sleep", level=1)
    await tell("wake_up", tags=["weights"])
    assert not tell.vllm.runs
    assert await tell("wake_up", tags=["weights", "kv_cache", "scheduling"]) == "ok"
    assert not tell.vllm.away
    assert tell.vllm.runs


async def test_no_request_runs_with_half_weights(tell: Told) -> None:
    assert await tell("start_weight_update") == "error"
    await tell("pause_generation")
    assert await tell("start_weight_update") == "ok"
    for control, body in (
        ("resume_generation", {}),
        ("wake_up", {}),
        ("wake_up", {"tags": ["weights"]}),
        ("wake_up", {"tags": ["scheduling"]}),
    ):
        assert await tell(control, **body) == "error"
        assert not tell.vllm.runs
    assert await tell("finish_weight_update") == "ok"
    assert await tell("wake_up") == "ok"
    assert tell.vllm.runs


async def test_weights_that_sleep_are_not_written_to(tell: Told) -> None:
    await tell("sleep", level=2)
    assert await tell("start_weight_update") == "error"
    assert await tell("update_weights_from_disk", model_path="/") == "error"
    assert await tell("wake_up", tags=["weights"]) == "ok"
    assert await tell("start_weight_update") == "ok"
    assert await tell("wake_up", tags=["kv_cache"]) == "error"
    assert await tell("finish_weight_update") == "ok"
    assert not tell.vllm.runs
    assert await tell("wake_up", tags=["kv_cache"]) == "ok"
    assert tell.vllm.runs


@pytest.mark.parametrize("resets", [True, False])
async def test_new_weights_have_no_old_cache_unless_it_is_wanted(tell: Told, resets: bool) -> None:
    await tell("pause_generation")
    await tell("start_weight_update")
    body = {} if resets else {"reset_prefix_cache": False}
    assert await tell("finish_weight_update", **body) == "ok"
    assert tell.vllm.has_old_cache is not resets
