"""A model of a hub, as it is named on a command line, and which of its repository's files it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from .shards import is_later_shard, shards_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(:(?P<wanted>[\w./-]+))?")
# What is preferred where nothing is asked for, as by `llama-server -hf`.
_PREFERRED = ("q4_k_m", "q8_0")
# Files of a repository that are no model by themselves.
_NO_MODEL = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")


@dataclass(frozen=True, slots=True)
class HubModel:
    """One model of a repository that may have it in many quantisations.

    Attributes:
        repository: ``owner/name``.
        wanted: A quantisation, such as ``Q8_0``, or the name of a file; None: Q4_K_M, else Q8_0,
            else the first that there is.
    """

    repository: str
    wanted: str | None = None

    def __str__(self) -> str:
        return self.repository if self.wanted is None else f"{self.repository}:{self.wanted}"

    @classmethod
    def read(cls, text: str) -> HubModel | None:
        """``owner/name``, ``owner/name:QUANT`` or ``owner/name:FILE.gguf``; None: it is no such."""
        found = _NAME.fullmatch(text)
        return None if found is None else cls(found["repository"], found["wanted"])

    def choose(self, names: Iterable[str]) -> list[str]:
        """The files of the model, the first shard first, of all that the repository has.

        Raises:
            InvalidArgument: It is not among them, or one of its shards is not.
        """
        there = [name for name in names if name.lower().endswith(".gguf")]
        models = [name for name in there if _is_model(name)]
        if not models:
            raise InvalidArgument(
                f"model '{self}': the repository has no GGUF file of a model; look for one whose"
                " name ends in -GGUF"
            )
        files = shards_of(self._first(there, models))
        missing = [name for name in files if name not in there]
        if missing:
            raise InvalidArgument(
                f"model '{self}': the repository has '{files[0]}' without {', '.join(missing)}"
            )
        return files

    def _first(self, there: list[str], models: list[str]) -> str:
        if self.wanted in there:
            return self.wanted
        for quantisation in _PREFERRED if self.wanted is None else (self.wanted,):
            pattern = re.compile(rf"(?:^|[-._/]){re.escape(quantisation)}[-.]", re.IGNORECASE)
            for name in models:
                if pattern.search(name):
                    return name
        if self.wanted is None:
            return models[0]
        raise InvalidArgument(
            f"model '{self}': no file of the repository is '{self.wanted}'; it has "
            + ", ".join(models)
        )


def _is_model(name: str) -> bool:
    file = Path(name).name
    return not is_later_shard(file) and not any(part in file for part in _NO_MODEL)
