"""The GGUF file of a LoRA adapter: where it is, and whether it is one for this model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .gguf_metadata import read_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONVERT = "llama.cpp's convert_lora_to_gguf.py makes one of an adapter of PEFT"


def adapter_file(path: str) -> Path:
    """The absolute path of an adapter's file.

    Raises:
        InvalidArgument: There is no such file.
    """
    found = Path(path).expanduser().absolute()
    if found.is_dir():
        raise InvalidArgument(f"LoRA adapter '{found}' is a folder; give a .gguf file: {_CONVERT}")
    if not found.is_file():
        raise InvalidArgument(f"LoRA adapter '{found}' does not exist; give a .gguf file")
    return found


def check_adapter_file(path: Path, architecture: Any) -> None:
    """Looks at what an adapter's file says of itself.

    Args:
        path: The file.
        architecture: ``general.architecture`` of the model that it is for.

    Raises:
        InvalidArgument: It is no LoRA adapter, one for another architecture, or one of a kind that
            is not supported; the message says which.
    """
    try:
        values = read_metadata(path).values
    except InvalidArgument as error:
        raise InvalidArgument(f"LoRA adapter '{path}': {error}; {_CONVERT}") from error
    reason = _refusal(values, architecture)
    if reason is not None:
        raise InvalidArgument(f"LoRA adapter '{path}': {reason}")


def _refusal(values: Mapping[str, Any], architecture: Any) -> str | None:
    kind, adapter = values.get("general.type"), values.get("adapter.type")
    if kind != "adapter" or adapter != "lora":
        return (
            f"it is no LoRA adapter: general.type is {kind!r} and adapter.type {adapter!r}, which "
            "must be 'adapter' and 'lora'"
        )
    if values.get("general.architecture") != architecture:
        return (
            f"it is for the architecture {values.get('general.architecture')!r}, the model's is "
            f"{architecture!r} (general.architecture)"
        )
    if values.get("adapter.alora.invocation_tokens"):
        return (
            "it is an activated LoRA (adapter.alora.invocation_tokens), which is not supported; "
            "give one that is for whole prompts"
        )
    return None
