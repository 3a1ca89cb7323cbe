"""Where the model comes from: a file of this machine, or a hub."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from .hub_download import download, require_hub
from .hub_model import HubModel
from .model_file import ModelFile
from .model_folder import model_folder
from .promised_folder import PromisedFolder

if TYPE_CHECKING:
    from collections.abc import Callable


class ModelSource:
    """The model that the options ``model`` and ``model_path`` name; without both, the bundled one.

    A model that is there as a file is one, whatever it is called.
    """

    def __init__(self, model: str | None, model_path: str | None) -> None:
        """Finds the file, or reads the name at the hub.

        Raises:
            InvalidArgument: There is no such file, or ``model`` is no name at a hub either; or both
                options are given.
            ImportError: It is of a hub, for which a package is not installed.
        """
        if model is not None and model_path is not None:
            raise InvalidArgument("model and model_path are both given; give one of them")
        self._file: ModelFile | None = None
        self._hub_model = HubModel("")
        if model is None or Path(model).expanduser().is_file():
            self._file = ModelFile(model_path if model is None else model)
            return
        found = HubModel.read(model)
        if found is None or found.repository.endswith(".gguf"):
            raise InvalidArgument(
                f"model '{model}' is no file here, and no name at a hub: that is OWNER/NAME, or"
                " OWNER/NAME:QUANT, such as ggml-org/gemma-3-1b-it-GGUF:Q8_0"
            )
        require_hub()
        self._hub_model = found

    @property
    def file(self) -> ModelFile:
        """The model's file, once it is on this machine."""
        assert self._file is not None, "the model is not fetched"
        return self._file

    @property
    def name(self) -> str | None:
        """Public name of the model; None: it is told by a file that is not here yet."""
        return None if self._file is None else self._file.name

    @property
    def folder(self) -> Path:
        """The model folder; of a model that is not here yet, where it will be.

        Raises:
            InvalidArgument: It cannot be made, see `model_folder`.
        """
        return self._promised.path if self._file is None else model_folder(self._file)

    def fetch(self, proceed: Callable[[str, float | None], bool]) -> ModelFile:
        """The model's file, downloaded where it is not here yet; takes its time.

        Args:
            proceed: Called with what happens, and the part that is done; False gives up.

        Raises:
            DynamoError: See `download` and `model_folder`.
        """
        if self._file is None:
            file = ModelFile(download(self._hub_model, proceed))
            self._promised.keep(model_folder(file))
            self._file = file
        return self._file

    @cached_property
    def _promised(self) -> PromisedFolder:
        return PromisedFolder(str(self._hub_model).replace("/", "--").replace(":", "--"))
