"""What an operator does to vLLM: sleep, pause, the prefix cache, profiling, weights, adapters."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .control_body import Body, failed
from .weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .control_body import Control, Reply
    from .lora import Adapters

_PAUSE_MODES = ("keep", "wait", "abort")
# What of a GPU's memory is put to sleep, and the scheduler with it.
_MEMORY = ("weights", "kv_cache")
_TAGS = (*_MEMORY, "scheduling")
# What is an update, too, by the names of Dynamo's own worker for vLLM.
_UPDATES = (
    "finish_weight_update",
    "init_weight_transfer_engine",
    "list_loras",
    "load_lora",
    "start_draft_weight_update",
    "start_weight_update",
    "unload_lora",
    "update_weights",
)
_HALF = "an update of the weights was begun and has not ended well; end it, or do it again"


class Controls:
    """The controls of one vLLM: those that its configuration allows.

    One acts at a time, but for those that only look.
    """

    def __init__(self, llm: Any, adapters: Adapters | None) -> None:
        """Takes a vLLM that has started.

        Args:
            llm: vLLM's ``AsyncLLM``.
            adapters: The LoRA adapters; None: they are off.
        """
        self._llm = llm
        self._acting = asyncio.Lock()
        # What of the memory sleeps, by its tag: vLLM would let requests run without it.
        self._away: set[str] = set()
        self._weights = Weights(llm, self._away)
        self._table: dict[str, Control] = self._allowed(adapters)

    @property
    def names(self) -> list[str]:
        """The names by which they are called."""
        return sorted(self._table)

    @property
    def updates(self) -> list[str]:
        """The names of those that are updates, too."""
        return [name for name in self.names if name in _UPDATES]

    @staticmethod
    def validate(name: str, body: Mapping[str, Any]) -> None:
        """Looks at a body for which the worker would leave discovery.

        Raises:
            InvalidArgument: The control would not accept it.
        """
        if name in _READ:
            _READ[name](body)

    async def __call__(self, name: str, body: Mapping[str, Any]) -> Reply:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        control = self._table.get(name)
        if control is None:
            raise InvalidArgument(
                f"vLLM as it is configured has no control '{name}'; it has {', '.join(self.names)}"
            )
        return await control(body)

    def _allowed(self, adapters: Adapters | None) -> dict[str, Control]:
        config = self._llm.vllm_config
        looking: dict[str, Control] = {}
        acting: dict[str, Control] = {
            "pause_generation": self._pause_generation,
            "resume_generation": self._resume_generation,
            "reset_prefix_cache": self._reset_prefix_cache,
        }
        # A CPU has no sleep mode to enable: vLLM holds requests off, and keeps the memory.
        if config.model_config.enable_sleep_mode or config.device_config.device_type == "cpu":
            looking["is_sleeping"] = self._is_sleeping
            acting["sleep"] = self._sleep
            acting["wake_up"] = self._wake_up
        if config.profiler_config.profiler is not None:
            acting["start_profile"] = self._start_profile
            acting["stop_profile"] = self._stop_profile
        acting |= self._weights.controls()
        if adapters is not None:
            looking["list_loras"] = adapters.list
            acting["load_lora"] = adapters.load
            acting["unload_lora"] = adapters.unload
        return looking | {name: self._alone(control) for name, control in acting.items()}

    def _alone(self, control: Control) -> Control:
        async def acts(body: Mapping[str, Any]) -> Reply:
            async with self._acting:
                return await control(body)

        return acts

    async def _sleep(self, body: Mapping[str, Any]) -> Reply:
        level = _level(body)
        # The worker has waited for requests, and has cut those that were left.
        if level > 0:
            self._away.update(_MEMORY)
        await self._llm.sleep(level, mode="abort")
        return {"status": "ok", "level": level, "is_sleeping": True}

    async def _wake_up(self, body: Mapping[str, Any]) -> Reply:
        tags = Body("wake_up", body, ["tags"]).choices("tags", _TAGS)
        left = self._away - set(_MEMORY if tags is None else tags)
        # With the last of the memory requests run again.
        if not left and not self._weights.are_whole:
            return failed(_HALF)
        if tags is not None:
            # vLLM wakes up none of them where one is awake.
            tags = [tag for tag in tags if tag in self._away or tag not in _MEMORY]
        await self._llm.wake_up(tags)
        self._away &= left
        return {"status": "ok", "is_sleeping": await self._llm.is_sleeping()}

    async def _is_sleeping(self, body: Mapping[str, Any]) -> Reply:
        Body("is_sleeping", body)
        return {"status": "ok", "is_sleeping": await self._llm.is_sleeping()}

    async def _pause_generation(self, body: Mapping[str, Any]) -> Reply:
        mode, clear_cache = _pause_options(body)
        await self._llm.pause_generation(mode=mode, clear_cache=clear_cache)
        return {"status": "ok", "mode": mode, "clear_cache": clear_cache}

    async def _resume_generation(self, body: Mapping[str, Any]) -> Reply:
        Body("resume_generation", body)
        if self._away:
            return failed("vLLM sleeps; wake_up resumes it too")
        if not self._weights.are_whole:
            return failed(_HALF)
        await self._llm.resume_generation()
        return {"status": "ok"}

    async def _reset_prefix_cache(self, body: Mapping[str, Any]) -> Reply:
        given = Body("reset_prefix_cache", body, ["reset_running_requests", "reset_connector"])
        running = given.flag("reset_running_requests", False)
        connector = given.flag("reset_connector", False)
        if not await self._llm.reset_prefix_cache(running, connector):
            return failed(
                "requests that run hold blocks of the cache; try again, or with"
                " reset_running_requests, by which they begin anew"
            )
        return {"status": "ok"}

    async def _start_profile(self, body: Mapping[str, Any]) -> Reply:
        # 0.31 has the prefix only.
        known = list(inspect.signature(self._llm.start_profile).parameters)
        given = Body("start_profile", body, known)
        options = {
            "profile_prefix": given.text("profile_prefix"),
            "delay_iterations": given.number("delay_iterations", None, least=0),
            "max_iterations": given.number("max_iterations", None, least=0),
        }
        given_options = {key: value for key, value in options.items() if value is not None}
        await self._llm.start_profile(**given_options)
        return {"status": "ok"}

    async def _stop_profile(self, body: Mapping[str, Any]) -> Reply:
        Body("stop_profile", body)
        await self._llm.stop_profile()
        return {"status": "ok"}


def _level(body: Mapping[str, Any]) -> Any:
    return Body("sleep", body, ["level"]).number("level", 1, least=0, most=2)


def _pause_options(body: Mapping[str, Any]) -> tuple[Any, bool]:
    given = Body("pause_generation", body, ["mode", "clear_cache"])
    return given.choice("mode", "keep", _PAUSE_MODES), given.flag("clear_cache", False)


_READ: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "sleep": _level,
    "pause_generation": _pause_options,
}
