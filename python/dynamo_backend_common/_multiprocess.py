"""The metrics of an engine's processes, which ``prometheus_client`` keeps in a file each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

_logger = logging.getLogger("dynamo_backend_common")


class Processes(MultiProcessCollector):
    """What all processes wrote, but for files that cannot be read.

    A process that is killed, or a disk that is full, leaves one that is empty or cut off. The
    collector of ``prometheus_client`` shows nothing at all then.
    """

    def __init__(self, registry: CollectorRegistry | None, folder: str) -> None:
        """Shows the files in ``folder``, in ``registry`` where there is one.

        Raises:
            ValueError: There is no such folder.
        """
        super().__init__(registry, folder)  # type: ignore[no-untyped-call]
        self._folder = Path(folder)
        self._told: set[str] = set()

    def collect(self) -> Iterable[Any]:
        """The metrics, each of all processes together."""
        files = [str(file) for file in self._folder.glob("*.db")]
        try:
            return _merged(files)
        except Exception:
            return _merged([file for file in files if self._is_readable(file)])

    def _is_readable(self, file: str) -> bool:
        try:
            _merged([file])
        except FileNotFoundError:
            # Removed meanwhile, as files of processes that have ended are.
            return False
        except Exception as raised:
            if file not in self._told:
                self._told.add(file)
                _logger.warning(
                    "metrics: '%s' cannot be read and is left out; remove it if its process has"
                    " ended (%s: %s); this is not logged again",
                    file,
                    type(raised).__name__,
                    raised,
                )
            return False
        return True


def bearing_bad_files(registry: Any) -> Any:
    """``registry`` with `Processes` in the place of ``prometheus_client``'s own collectors."""
    if type(registry) is MultiProcessCollector:
        return Processes(None, registry._path)  # noqa: SLF001 (there is no public way)
    for collector in list(getattr(registry, "_collector_to_names", ())):
        if type(collector) is MultiProcessCollector:
            registry.unregister(collector)
            Processes(registry, collector._path)  # noqa: SLF001 (as above)
    return registry


def _merged(files: list[str]) -> Iterable[Any]:
    merged: Iterable[Any] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return merged
