"""The vLLM that is installed: the user's own, in whatever build the hardware wants."""

from __future__ import annotations

import gc
import logging
import os
import sys

from . import metrics

logger = logging.getLogger(__name__)

TESTED = ("0.31", "0.32")
"""Releases with which all of this is tested."""


def import_vllm() -> str:
    """Imports vLLM, and returns its release.

    The first time, whatever there is in the process by then is taken out of the care of Python's
    garbage collector (``gc.freeze``).

    Raises:
        ImportError: There is none, or it cannot be imported; the message says what to install.
    """
    # The worker has threads, of which a child that is forked has none.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    metrics.prepare()
    is_first = "vllm" not in sys.modules
    try:
        from vllm import __version__ as version
        from vllm.v1.engine import async_llm  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"vLLM cannot be imported ({error}); supported are its releases"
            f" {' and '.join(TESTED)}: pip install 'vllm~={TESTED[-1]}.0', or the build of it that"
            " is for this hardware"
        ) from error
    if is_first:
        # A million objects that stay: a full collection took a second, with requests waiting, and
        # the one at the end of the interpreter seven.
        gc.collect()
        gc.freeze()
    release: str = version
    if not release.startswith(tuple(f"{tested}." for tested in TESTED)):
        logger.warning(
            "vLLM %s is none of the releases that this engine is tested with: %s",
            release,
            ", ".join(TESTED),
        )
    return release
