"""A model of a hub, fetched by a process that can be ended at any moment."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....exceptions import Cancelled, CannotConnect, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .hub_model import HubModel

logger = logging.getLogger(__name__)

_PROGRAM = f"{__package__}.hub_fetch"
_SECONDS_BETWEEN_LOOKS = 0.1
# To remove what it has written of a file.
_SECONDS_TO_END = 2.0


def require_hub() -> None:
    """Finds the library of the hub without loading it.

    Raises:
        ImportError: It is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise ImportError(
            "a model of a hub needs huggingface-hub: pip install 'dynamo-backend-common[llama-cpp]'"
        )


def download(model: HubModel, proceed: Callable[[str, float | None], bool]) -> Path:
    """The model's file, or its first shard, in the hub's cache; takes its time.

    What is in the cache is not fetched again. A file that came in part begins anew, or goes on
    where the hub's library can. That reads ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``,
    ``HF_HUB_CACHE`` and ``HF_HUB_OFFLINE``.

    Args:
        model: What is wanted.
        proceed: Called with what happens, and the part that is done; False gives up.

    Raises:
        InvalidArgument: There is no such model.
        CannotConnect: It cannot be fetched, and is not in the cache.
        Cancelled: ``proceed`` gave up.
    """
    wanted = [model.repository, *([] if model.wanted is None else [model.wanted])]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _PROGRAM, *wanted],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Of a Ctrl-C it hears from here.
        start_new_session=True,
    )
    assert process.stdout is not None
    message, part = f"asking for {model}", None
    try:
        with process.stdout as output:
            for said in _lines(output.fileno()):
                match said:
                    case {"progress": part, "file": file}:
                        message = f"downloading {file}"
                    case {"warning": warning}:
                        logger.warning("%s", warning)
                    case {"path": path}:
                        return Path(path)
                    case {"refused": why}:
                        raise InvalidArgument(why)
                    case {"failed": why}:
                        raise CannotConnect(f"model '{model}' cannot be fetched from {why}")
                if not proceed(message, part):
                    raise Cancelled(f"model '{model}' is not wanted any more")
    finally:
        _end(process)
    raise CannotConnect(f"model '{model}' cannot be fetched: its process ended")


def _lines(descriptor: int) -> Iterator[dict[str, Any]]:
    """What the process says; ten times a second that it says nothing."""
    unread = b""
    while True:
        if not select.select([descriptor], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
            yield {}
            continue
        read = os.read(descriptor, 1 << 16)
        if not read:
            return
        *lines, unread = (unread + read).split(b"\n")
        for line in lines:
            yield _said(line)


def _said(line: bytes) -> dict[str, Any]:
    """What a line says; nothing, where it is somebody else's: that is for a person to read."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if isinstance(said, dict):
        return said
    logger.info("huggingface-hub says: %s", line.decode(errors="replace"))
    return {}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
