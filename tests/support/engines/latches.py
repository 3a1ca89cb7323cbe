"""The engine's side of the tests' latches: files in a folder that both sides know."""

import asyncio
import os
from pathlib import Path

FOLDER = Path(os.environ["LATCHES"])


def reach(name: str, text: str = "") -> None:
    """Tells the test that ``name`` is reached; the text is there as soon as the file is."""
    draft = FOLDER / f".{name}"
    draft.write_text(text)
    draft.rename(FOLDER / name)


async def passed(name: str) -> None:
    """Waits until the test releases ``name``."""
    while not (FOLDER / name).exists():  # noqa: ASYNC110 (another process makes it)
        await asyncio.sleep(0.01)


async def withdrawn(name: str) -> None:
    """Waits while ``name`` is released."""
    while (FOLDER / name).exists():  # noqa: ASYNC110 (another process takes it away)
        await asyncio.sleep(0.01)


def case_of(request: dict) -> str:
    """What the request tells the engine to do; empty if nothing."""
    marks = [mark for mark in request["annotations"] if mark.startswith("case:")]
    return marks[0].removeprefix("case:") if marks else ""
