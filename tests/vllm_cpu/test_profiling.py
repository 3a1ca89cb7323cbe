"""vLLM's profiler, started and stopped while the worker serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.endpoint import ask, tokens_of
from support.processes import until
from support.vllm_worker import VllmWorker

if TYPE_CHECKING:
    from support.launcher import Launcher


def test_a_profile_is_written(launcher: Launcher) -> None:
    folder = launcher.folder / "profile"
    # With stacks it takes more than a minute to write.
    profiler = {
        "profiler": "torch",
        "torch_profiler_dir": str(folder),
        "torch_profiler_with_stack": False,
    }
    worker = VllmWorker(launcher, "--profiler-config", json.dumps(profiler))
    worker.wait()
    assert worker.system.control("start_profile", {"profile_prefix": "here"}).json["status"] == "ok"
    stops = {"max_tokens": 4, "ignore_eos": True}
    [answer] = ask(launcher, {"token_ids": [5, 6], "stop_conditions": stops})
    assert len(tokens_of(answer)) == 4
    assert worker.system.control("stop_profile").json["status"] == "ok"
    until(lambda: any(path.is_file() for path in folder.rglob("*")), "the profile is there")
    assert worker.process.terminate() == 0
