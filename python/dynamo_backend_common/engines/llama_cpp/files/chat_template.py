"""The chat template that a GGUF file brings, and the beginning that it may leave out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ....config import WorkerConfig
    from ..tokenizer.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

TEMPLATE_FILE = "chat_template.jinja"
"""Its name in a model folder."""
NO_CHAT = (
    "{{ raise_exception('the model has no chat template, so that it has completions and no chat')"
    " }}"
)
"""A template that refuses every chat."""
_KEY = "tokenizer.chat_template"
_BOTH, _TEXTS_ONLY = "chat,completions", "completions"


def chat_template(values: Mapping[str, Any], vocabulary: Vocabulary) -> str | None:
    """The template for chats; None where the file has none.

    A file may have several: the one without a name is the default, else the one that is called
    so, else the first.

    Where the model wants a beginning and the template writes none, it is put before it: llama.cpp
    adds one to what a template makes, the frontend does not.
    """
    template = _default(values)
    special = vocabulary.special
    if template is None or special.bos is None or not special.add_bos:
        return template
    if "bos_token" in template or vocabulary.tokens[special.bos] in template:
        return template
    return "{{ bos_token }}" + template


def endpoint_types(folder: Path, config: WorkerConfig) -> str:
    """The endpoints that the model of ``folder`` can have: without a template, no chat.

    Args:
        folder: A model folder; one that is not there yet is taken to have a template.
        config: What the operator wants; only the default is changed.
    """
    wanted = config.endpoint_types
    if wanted != _BOTH or config.custom_jinja_template is not None:
        return wanted
    if not folder.is_dir() or (folder / TEMPLATE_FILE).is_file():
        return wanted
    logger.warning(
        "the GGUF file has no chat template (%s): served are completions, and no chat; give"
        " --custom-jinja-template a template, or --model-name a folder that has one",
        _KEY,
    )
    return _TEXTS_ONLY


def _default(values: Mapping[str, Any]) -> str | None:
    plain = values.get(_KEY)
    if isinstance(plain, str) and plain:
        return plain
    named = {
        key.removeprefix(f"{_KEY}."): value
        for key, value in values.items()
        if key.startswith(f"{_KEY}.") and isinstance(value, str) and value
    }
    if not named:
        return None
    name = "default" if "default" in named else next(iter(named))
    logger.info("chat template '%s' of %s is used", name, ", ".join(named))
    return named[name]
