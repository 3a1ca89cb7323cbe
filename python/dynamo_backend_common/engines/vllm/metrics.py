"""vLLM's own metrics, in the worker's ``/metrics``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...metrics import EndpointMetrics

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# LMCache writes its own where it is vLLM's connector.
_PREFIXES = ("vllm:", "lmcache:")


def prepare() -> None:
    """Makes the folder of ``PROMETHEUS_MULTIPROC_DIR`` where it is set; before vLLM is imported.

    ``prometheus_client`` decides at its import where values are kept, and fails at the first of
    them in a folder that is not there.
    """
    folder = os.environ.get(_FOLDER)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)


def register(metrics: EndpointMetrics) -> None:
    """Shows vLLM's metrics with the worker's labels.

    They are in the registry of this process, or, with ``PROMETHEUS_MULTIPROC_DIR``, in the files of
    all of vLLM's processes, this one's among them.
    """
    metrics.register(prefix=_PREFIXES)
