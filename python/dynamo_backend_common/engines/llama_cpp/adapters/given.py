"""The adapters that the options name."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from ..binding.adapter import Adapter
from ..files.adapter_file import adapter_file
from ..files.model_name import model_name

if TYPE_CHECKING:
    from ..options import Options

# A name has no slash, so that a path with an equals sign in a folder's name is a path.
_NAMED = re.compile(r"(?:(?P<name>[^=/\\]+)=)?(?P<path>.+)", re.DOTALL)


def given_adapters(options: Options) -> list[Adapter]:
    """What ``lora`` and ``lora_scaled`` name, in this order.

    Raises:
        InvalidArgument: One is not written as it should be, its file does not exist, two have one
            name, or they are more than ``max_loras``.
    """
    adapters = [_adapter(text, 1.0) for text in options.lora]
    for text in options.lora_scaled:
        path, _, scale = text.rpartition(":")
        try:
            factor = float(scale)
        except ValueError:
            raise InvalidArgument(
                f"lora_scaled has {text!r}; it must be a file, a colon and a number"
            ) from None
        adapters.append(_adapter(path, read_scale(factor)))
    seen: dict[str, Adapter] = {}
    for adapter in adapters:
        other = seen.setdefault(adapter.name, adapter)
        if other is not adapter:
            raise InvalidArgument(
                f"two LoRA adapters have the name '{adapter.name}': '{other.path}' and "
                f"'{adapter.path}'; give one of them another: NAME={adapter.path}"
            )
    if len(adapters) > options.max_loras:
        raise InvalidArgument(
            f"{len(adapters)} LoRA adapters are given; max_loras is {options.max_loras}"
        )
    return adapters


def read_scale(scale: object) -> float:
    """A scale.

    Raises:
        InvalidArgument: It is no number, or none that is finite.
    """
    if not isinstance(scale, (int, float)) or isinstance(scale, bool) or not math.isfinite(scale):
        raise InvalidArgument(f"the scale of a LoRA adapter is {scale!r}; it must be a number")
    return float(scale)


def _adapter(text: str, scale: float) -> Adapter:
    found = _NAMED.fullmatch(text)
    if found is None:
        raise InvalidArgument(f"a LoRA adapter is {text!r}; it must be a .gguf file")
    path = adapter_file(found["path"])
    return Adapter(name=found["name"] or model_name(path.stem), path=path, scale=scale)
