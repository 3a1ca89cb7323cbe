"""The models of an engine, and who of them drafts tokens for whom."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .binding.model import Model
from .binding.same_vocabulary import require_same_vocabulary
from .files.model_config import context_length
from .steps.draft_model import ModelDrafter
from .steps.ngrams import NGramDrafter
from .steps.speculation import Speculation

if TYPE_CHECKING:
    from collections.abc import Callable

    from .files.model_file import ModelFile
    from .options import Options
    from .steps.speculation import Drafter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """Models in memory.

    Attributes:
        model: What requests are served with.
        draft: What drafts tokens for it; None: no model does.
        options: What they were loaded with.
    """

    model: Model
    draft: Model | None
    options: Options

    def speculation(self) -> Speculation:
        """Who drafts tokens, by the options: n-grams before the draft model, as in llama.cpp."""
        options, model = self.options, self.model
        drafters: list[Drafter] = []
        if "ngram-simple" in options.spec_types and _can_cut(model, "the model"):
            drafters.append(
                NGramDrafter(
                    size_n=options.spec_ngram_simple_size_n, size_m=options.spec_ngram_simple_size_m
                )
            )
        if self.draft is not None:
            drafters.append(
                ModelDrafter(
                    self.draft,
                    vocab_size=model.vocab_size,
                    n_max=options.spec_draft_n_max,
                    n_min=options.spec_draft_n_min,
                    p_min=options.spec_draft_p_min,
                    piece=options.prefill_chunk,
                    reuses=options.prefix_caching,
                )
            )
        return Speculation(drafters, longest=min(options.longest_draft, model.ubatch_size - 1))

    def close(self) -> None:
        """Frees them; may be called again."""
        if self.draft is not None:
            self.draft.close()
        self.model.close()


def load(
    file: ModelFile,
    draft_file: ModelFile | None,
    options: Options,
    proceed: Callable[[str, float], bool] = lambda *_: True,
) -> Loaded:
    """Loads the models; takes its time, so call it in a thread.

    Args:
        file: The file of the model.
        draft_file: That of the draft model, where there is one.
        options: How to load them.
        proceed: Called with what is loaded and how much of it is, 0 to 1; False gives up.

    Raises:
        InvalidArgument: llama.cpp cannot load a file, or the models do not go together.
        Unknown: There is no memory for a context of this size.
    """
    # What is wrong with a file is said before any is loaded.
    for each in (file, draft_file):
        if each is not None:
            each.refuse_other_models()
    trained = None if draft_file is None else context_length(draft_file.metadata.values)
    model = Model(file.path, options, partial(proceed, f"loading {file.name}"))
    try:
        draft = None
        if draft_file is not None and trained is not None:
            draft = _load_draft(draft_file, trained, model, options, proceed)
    except BaseException:
        model.close()
        raise
    return Loaded(model=model, draft=draft, options=options)


def _load_draft(
    file: ModelFile,
    trained: int,
    model: Model,
    options: Options,
    proceed: Callable[[str, float], bool],
) -> Model | None:
    if not _can_cut(model, "the model"):
        return None
    length = min(model.context_length, trained)
    # A part for each request: what it keeps it can then always have.
    own = dataclasses.replace(
        options, context_length=length, kv_unified=False, kv_cache_tokens=None
    )
    draft = Model(file.path, own, partial(proceed, f"loading {file.name}"))
    try:
        require_same_vocabulary(model, draft, file.path)
        if _can_cut(draft, f"the draft model '{file.name}'"):
            return draft
    except BaseException:
        draft.close()
        raise
    draft.close()
    return None


def _can_cut(model: Model, name: str) -> bool:
    """Whether a draft that is wrong can leave the context; a warning where not."""
    if not model.keeps_prefixes:
        logger.warning("speculative decoding is off: %s cannot forget single tokens", name)
    return model.keeps_prefixes
