"""An engine's own metrics, in the worker's ``/metrics``.

What an engine with a registry of ``prometheus_client`` writes is one line::

    async def setup_metrics(self, context):
        context.metrics.register(self.registry)

A scrape asks for the registry's text and waits for it for half a second at most. A thread of its
own makes the text, never the event loop; while that cannot run, because an engine holds the GIL, or
while the registry raises, the last text is shown, and
``dynamo_component_worker_engine_metrics_age_seconds`` says how old it is.
"""

from __future__ import annotations

import copy
import logging
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ._core import MetricsCore, MetricsSource

__all__ = ["EndpointMetrics"]

_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_logger = logging.getLogger("dynamo_backend_common")


class Registry(Protocol):
    """A registry, or any other collector, of ``prometheus_client``."""

    def collect(self) -> Iterable[Any]:
        """The metrics, as ``prometheus_client.Metric``."""


class EndpointMetrics:
    """The metrics of the worker's endpoint; a `MetricsContext` has it."""

    def __init__(self, core: MetricsCore) -> None:
        self._core = core
        self._sources: list[MetricsSource] = []

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the worker's own metrics, under the runtime's names.

        They are ``dynamo_namespace``, ``dynamo_component``, ``dynamo_endpoint``, ``worker_id``,
        ``model`` and ``model_name``.
        """
        return dict(self._core.labels)

    def register(
        self,
        registry: Registry | None = None,
        *,
        prefix: str | list[str] | tuple[str, ...] = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Shows what ``registry`` has at each scrape, with the worker's `labels`.

        Call it once for each registry; several may have the same metrics, if ``labels`` tells them
        apart, such as ``{"dp_rank": "1"}``. A metric of another type than one of that name that is
        shown already is left out, and a warning says so. Where the registry raises, its last text
        stays, and the log has the traceback once. A file in ``PROMETHEUS_MULTIPROC_DIR`` that
        cannot be read is left out, and a warning names it once; that holds of a registry with a
        ``MultiProcessCollector`` too.

        Args:
            registry: The registry; None: that of the process, or, where
                ``PROMETHEUS_MULTIPROC_DIR`` is set, what all processes of the engine wrote there.
            prefix: Shows only metrics whose name begins with it, or with one of several.
            labels: More labels, or other values than those of `labels`. A sample that has a label
                already keeps its own.

        Raises:
            InvalidArgument: ``registry`` is none, ``prefix`` or a label is not accepted, or the
                folder of ``PROMETHEUS_MULTIPROC_DIR`` is not there.
            ImportError: ``prometheus_client`` is not installed; the extra ``metrics`` has it.
        """
        generate_latest = _exporter()
        from ._multiprocess import bearing_bad_files

        registry = _default_registry() if registry is None else registry
        if not callable(getattr(registry, "collect", None)):
            raise InvalidArgument(
                f"registry: {type(registry).__name__} has no method collect;"
                " give a CollectorRegistry of prometheus_client"
            )
        registry = bearing_bad_files(registry)
        prefixes = _prefixes(prefix)
        labelled = _Labelled(registry, prefixes, self.labels | _checked(labels or {}))
        self._ask(
            f"registry that was registered ({type(registry).__name__})",
            lambda: generate_latest(labelled).decode(),
        )

    def register_text(self, make: Callable[[], str]) -> None:
        """Shows the text that ``make`` returns, in Prometheus' text format, with each scrape.

        For an engine whose metrics are in no registry, but can be made when somebody asks. It is
        called on a thread of its own, and shown as `register` does it; `labels` are not added.

        Raises:
            InvalidArgument: ``make`` cannot be called.
        """
        if not callable(make):
            raise InvalidArgument(
                f"make: {type(make).__name__} cannot be called; give a function that returns text"
            )
        self._ask("function that was registered", lambda: _as_text(make()))

    def _ask(self, what: str, make: Callable[[], str]) -> None:
        source = self._core.add_source()
        self._sources.append(source)
        text = _Text(what, make)
        thread = threading.Thread(
            target=text.make_when_asked, args=(source,), name="dynamo-metrics", daemon=True
        )
        thread.start()

    def set_exposition(self, text: str) -> None:
        """Shows ``text``, in Prometheus' text format, with every scrape from now on.

        For an engine whose metrics are in no registry. A scrape reads the text that was set last;
        it does not wait for Python.
        """
        self._core.set_exposition(text)

    def close(self) -> None:
        """Reads no registry any more; what was read last stays. The worker calls it at its end."""
        for source in self._sources:
            source.close()


class _Labelled:
    """A registry's metrics of some prefixes, with more labels."""

    def __init__(
        self, registry: Registry, prefixes: tuple[str, ...], labels: dict[str, str]
    ) -> None:
        self._registry = registry
        self._prefixes = prefixes
        self._labels = labels

    def collect(self) -> Iterator[Any]:
        for family in self._registry.collect():
            # The event loop need not wait for more than one of them.
            time.sleep(0)
            if family.name.startswith(self._prefixes):
                labelled = copy.copy(family)
                labelled.samples = [
                    sample._replace(labels=self._labels | sample.labels)
                    for sample in family.samples
                ]
                yield labelled


class _Text:
    """Makes one text of an engine's, in a thread of its own."""

    def __init__(self, what: str, make: Callable[[], str]) -> None:
        self._what = what
        self._make = make
        # Where in the code it failed before.
        self._told: set[tuple[type, str, int]] = set()

    def make_when_asked(self, source: MetricsSource) -> None:
        while True:
            # Waits without the GIL, in Python: a thread that waits in Rust could not be ended when
            # the interpreter is.
            os.eventfd_read(source.fileno())
            if source.closed:
                return
            try:
                text = self._make()
            except (Exception, SystemExit) as raised:
                source.failed()
                self._log(raised)
            else:
                source.show(text)

    def _log(self, raised: BaseException) -> None:
        """Logs a failure, unless it is one that was logged before."""
        innermost = raised.__traceback__
        while innermost is not None and innermost.tb_next is not None:
            innermost = innermost.tb_next
        file = innermost.tb_frame.f_code.co_filename if innermost is not None else ""
        line = innermost.tb_lineno if innermost is not None else 0
        place = (type(raised), file, line)
        if place not in self._told:
            self._told.add(place)
            _logger.error(
                "setup_metrics: the %s raised when it was scraped;"
                " its last text is shown while it does, and this is not logged again",
                self._what,
                exc_info=raised,
            )


def _as_text(made: object) -> str:
    if not isinstance(made, str):
        raise TypeError(f"it returned {type(made).__name__}; it must return str")
    return made


def _exporter() -> Callable[[Any], bytes]:
    try:
        from prometheus_client import generate_latest
    except ImportError as error:
        raise ImportError(
            "metrics of a registry need prometheus_client: "
            f"pip install 'dynamo_backend_common[metrics]' ({error})"
        ) from error
    return generate_latest


def _default_registry() -> Registry:
    from prometheus_client import REGISTRY, CollectorRegistry

    from ._multiprocess import Processes

    folder = os.environ.get(_MULTIPROCESS)
    if not folder:
        return REGISTRY
    registry = CollectorRegistry()
    try:
        Processes(registry, folder)
    except ValueError as error:
        raise InvalidArgument(
            f"{_MULTIPROCESS}: {folder!r} is no folder; make it before the engine starts, and empty"
        ) from error
    return registry


def _prefixes(prefix: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    prefixes = (prefix,) if isinstance(prefix, str) else prefix
    if not isinstance(prefixes, (list, tuple)) or not all(isinstance(one, str) for one in prefixes):
        raise InvalidArgument(f"prefix: {prefix!r} is neither a str nor a list of them")
    return tuple(prefixes)


def _checked(labels: Mapping[str, str]) -> dict[str, str]:
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name.startswith("__"):
            raise InvalidArgument(
                f"labels: {name!r} is no name of a label; accepted: letters, digits and _, not __"
                " first"
            )
        if not isinstance(value, str):
            raise InvalidArgument(
                f"labels: the value of {name} is {type(value).__name__}; it must be str"
            )
    return dict(labels)
