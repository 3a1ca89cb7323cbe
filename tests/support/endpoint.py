"""A worker's endpoint as a frontend uses it: Dynamo's own requests and chunks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from .frontend import PYTHON
from .launcher import SUPPORT

if TYPE_CHECKING:
    from .launcher import Launcher
    from .processes import Process

Answer: TypeAlias = list[dict[str, Any]] | str
"""The chunks, or the text of the error that came in their place."""


def begin(
    launcher: Launcher, *requests: dict[str, Any], endpoint: str = "dynamo.backend.generate"
) -> Process:
    """Starts to send requests to the endpoint, one after another.

    It writes ``first chunk`` to standard error, and each answer to standard output.
    """
    script = str(SUPPORT / "scripts" / "endpoint_client.py")
    return launcher.start(str(PYTHON), script, endpoint, json.dumps(requests), cwd=launcher.folder)


def ask(
    launcher: Launcher, *requests: dict[str, Any], endpoint: str = "dynamo.backend.generate"
) -> list[Answer]:
    """Sends requests to the endpoint, one after another; returns their answers."""
    process = begin(launcher, *requests, endpoint=endpoint)
    assert process.wait() == 0, process.describe()
    return [json.loads(line) for line in process.stdout.splitlines() if line[0] in '["']


def tokens_of(answer: Answer) -> list[int]:
    """All tokens of an answer that is no error."""
    assert not isinstance(answer, str), answer
    return [token for chunk in answer for token in chunk["token_ids"]]
