"""A LoRA adapter, as llama.cpp has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(eq=False, kw_only=True, slots=True)
class Adapter:
    """An adapter by its own identity: one that is loaded again is another one.

    Attributes:
        name: What requests call it.
        path: Its GGUF file.
        scale: How much of it is added to the model; 1: as it was trained.
        handle: llama.cpp's own, while a model has it; belongs to the thread of that model.
    """

    name: str
    path: Path
    scale: float = 1.0
    handle: Any = None
