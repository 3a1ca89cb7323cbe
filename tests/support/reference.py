"""ai-dynamo and the installed package in one process: the frontend's environment has both then."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import dynamo_backend_common

from .api import wait_for_routes
from .frontend import PYTHON, start_frontend
from .launcher import NOTHING
from .system import System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launcher import Launcher
    from .processes import Process

SAMPLE = "dynamo.common.backend.sample_engine:SampleLLMEngine"
"""The engine that comes with ai-dynamo."""

PROMPT = list(range(1000, 1010))

SERVING = r"^Serving on (\S+)"


def start(launcher: Launcher, *arguments: str, env: Mapping[str, str] = NOTHING) -> Process:
    """Starts the package's command line, where ai-dynamo can be imported too."""
    command = [str(PYTHON), "-m", "dynamo_backend_common", *arguments]
    return launcher.start(*command, env=paths(launcher.folder) | dict(env))


def serve(
    launcher: Launcher, engine: str, *arguments: str, env: Mapping[str, str] = NOTHING
) -> Process:
    """Serves an engine of theirs with these arguments of its own; waits until it is served."""
    process = start(launcher, "serve", "--reference", engine, "--", *arguments, env=env)
    process.wait_for_line(SERVING)
    return process


def paths(folder: Path) -> dict[str, str]:
    """What has Python find the installed package, and nothing else of its environment."""
    linked = folder / "installed"
    if not linked.exists():
        linked.mkdir()
        package = Path(dynamo_backend_common.__file__).parent
        [dist_info] = {
            file.parts[0]
            for file in distribution("dynamo-backend-common").files or ()
            if file.parts[0].endswith(".dist-info")
        }
        for installed in (package, package.parent / dist_info):
            (linked / installed.name).symlink_to(installed)
    return {"PYTHONPATH": str(linked)}


class Served:
    """The engine ``Told`` of ``referenced``, and a frontend that knows it."""

    def __init__(self, launcher: Launcher, model_folder: str, *arguments: str, **env: str) -> None:
        self.system = System(launcher.ports.reserve())
        env |= {"DYN_SYSTEM_PORT": str(self.system.port)}
        self.worker = serve(
            launcher, "referenced:Told", "--model-name", model_folder, *arguments, env=env
        )
        self.api = start_frontend(launcher, "--namespace", "theirs")
        wait_for_routes(self.api, "told", PROMPT)
