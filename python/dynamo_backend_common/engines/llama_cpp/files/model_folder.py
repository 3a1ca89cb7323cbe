"""The folder that a model deployment card needs, written from a GGUF file into the user's cache."""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from ..tokenizer.tokenizer_files import tokenizer_config_json, tokenizer_json
from ..tokenizer.vocabulary import read_vocabulary
from .chat_template import TEMPLATE_FILE, chat_template
from .model_config import config_json, context_length, generation_config_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model_file import ModelFile

logger = logging.getLogger(__name__)

# Raise it whenever the files come out differently for the same metadata.
_FORMAT = 2


def models_folder() -> Path:
    """Where model folders are kept: below ``XDG_CACHE_HOME``, or ``~/.cache``.

    Raises:
        RuntimeError: There is neither.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    cache = Path(root) if root else Path.home() / ".cache"
    return cache / "dynamo-backend-common" / "models"


def model_folder(model: ModelFile) -> Path:
    """The folder with tokenizer, configuration and chat template of ``model``.

    Written on first use; the name holds a digest of what it is made from, so that a folder that is
    there is the right one. Where no cache can be written, it is a temporary one of this process.

    Raises:
        InvalidArgument: The file cannot be read, or its tokenizer is not known, or nothing can be
            written anywhere.
    """
    name = f"{model.name}-{model.metadata.digest[:16]}-{_FORMAT}"
    try:
        folder = models_folder() / name
        if folder.is_dir():
            return folder
    except (RuntimeError, OSError) as error:
        return _temporary(name, _files_of(model), error)
    files = _files_of(model)
    try:
        _write(folder, files)
    except OSError as error:
        return _temporary(name, files, error)
    return folder


def _files_of(model: ModelFile) -> dict[str, str]:
    model.refuse_other_models()
    try:
        return _files(model.metadata.values)
    except InvalidArgument as error:
        raise InvalidArgument(f"model file '{model.path}': {error}") from error


def _temporary(name: str, files: Mapping[str, str], reason: Exception) -> Path:
    """A folder that goes with the process, as there is no cache for ``reason``."""
    try:
        root = Path(tempfile.mkdtemp(prefix="dynamo-backend-common-"))
        # Whoever reads it has no end before the process's.
        atexit.register(_remove, root, os.getpid())
        folder = root / name
        _write(folder, files)
    except OSError as error:
        raise InvalidArgument(
            f"tokenizer and configuration of '{name}' can be written nowhere: {reason}; {error};"
            " set XDG_CACHE_HOME, or TMPDIR, to a folder that can be written to"
        ) from error
    logger.warning(
        "no cache for model folders (%s): using %s; XDG_CACHE_HOME names another place",
        *(reason, folder),
    )
    return folder


def _remove(folder: Path, owner: int) -> None:
    # The hooks run at the end of a forked child too.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _files(values: Mapping[str, Any]) -> dict[str, str]:
    vocabulary = read_vocabulary(values)
    template = chat_template(values, vocabulary)
    documents = {
        "tokenizer.json": tokenizer_json(vocabulary),
        "tokenizer_config.json": tokenizer_config_json(
            vocabulary, context_length=context_length(values), chat_template=template
        ),
        "config.json": config_json(values, vocabulary),
        "generation_config.json": generation_config_json(values, vocabulary),
    }
    files = {
        name: json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for name, document in documents.items()
    }
    if template is not None:
        files[TEMPLATE_FILE] = template
    return files


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes ``folder`` in one step for whoever looks at it, another process included."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError:
        # Another process was faster: its folder has the same name because it has the same content.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
