"""`WorkerState`: where a worker is in its life."""

from enum import StrEnum

__all__ = ["WorkerState"]


class WorkerState(StrEnum):
    """A worker's state: of ``Worker.state``, ``on_state``, the gauge and the log.

    A run passes them in this order. One that fails, or is asked to shut down, goes on from where
    it is with ``Draining``, or with ``Stopped`` where nothing was started.
    """

    Init = "Init"
    """Its run has not begun."""
    Connecting = "Connecting"
    """Dynamo's runtime is being connected."""
    Starting = "Starting"
    """The engine starts."""
    Registering = "Registering"
    """Metrics, publishers and the card are set up."""
    Serving = "Serving"
    """Requests are served."""
    Draining = "Draining"
    """Shutdown has begun; requests in flight go on."""
    Stopped = "Stopped"
    """The run is over. The worker cannot be used again."""
