"""Whether the frontend in the process can listen."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from .failure import Failure, UsageError

if TYPE_CHECKING:
    from .options import Setting


def check_port(setting: Setting, port: int) -> None:
    """Tells before anything is loaded that the frontend could not listen.

    Raises:
        UsageError: The host that ``setting`` has is no address.
        Failure: The port is in use, or not to be had.
    """
    host = setting.value
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UsageError(f"{setting.place}: '{host}' is no address of this machine") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise Failure(
                f"cannot listen on {host}:{port}: {error.strerror};"
                " choose another with --http-port or --http-host"
            ) from None
