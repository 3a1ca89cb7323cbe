"""What ``register_prometheus`` gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..metrics import EndpointMetrics


class ReferenceMetrics:
    """The metrics of the endpoint, as their ``EngineMetrics``."""

    def __init__(self, metrics: EndpointMetrics) -> None:
        self._metrics = metrics

    @property
    def auto_labels(self) -> dict[str, str]:
        """The labels that a helper of theirs adds to an engine's own metrics."""
        return self._metrics.labels

    def register_prometheus_expfmt_callback(self, callback: Callable[[], str]) -> None:
        """Shows the text that ``callback`` returns at each scrape, in the worker's ``/metrics``."""
        self._metrics.register_text(callback)

    def register_prometheus_typed_callback(self, callback: Callable[[], Any]) -> None:
        """Takes the same metrics for an export by OTLP, which this worker has of its own only."""
