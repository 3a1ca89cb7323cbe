"""What a worker has to reach, and what has to reach it, for `doctor`."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._core import address_for_others
from ..exceptions import InvalidArgument
from .failure import Failure
from .finding import Finding, in_effect
from .ports import check_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .options import Setting

_PATIENCE = 2.0
"""Seconds for one attempt to connect, and for an answer."""


def etcd() -> Finding:
    """Whether any of etcd's addresses takes connections."""
    failures = []
    addresses = in_effect("ETCD_ENDPOINTS").split(",")
    for address in addresses:
        try:
            place, _ = _connect(address, 2379)
        except OSError as error:
            failures.append(str(error))
        else:
            return Finding("ok", "etcd", f"{place} takes connections")
    return Finding("wrong", "etcd", f"{'; '.join(failures)}; ETCD_ENDPOINTS has the address")


def nats() -> Finding:
    """Whether a NATS server answers."""
    try:
        place, greeting = _connect(in_effect("NATS_SERVER").split(",")[0], 4222, greets=True)
    except OSError as error:
        return Finding("wrong", "NATS", f"{error}; NATS_SERVER has the address")
    if greeting.startswith(b"INFO "):
        return Finding("ok", "NATS", f"{place} answers")
    return Finding(
        "wrong", "NATS", f"what answers at {place} is not NATS; NATS_SERVER has the address"
    )


def others(discovery: str) -> Finding:
    """Which address other machines are given for requests."""
    try:
        address = address_for_others()
    except InvalidArgument as error:
        return Finding("wrong", "address", str(error))
    if discovery == "mem" and not os.environ.get("DYN_TCP_RPC_HOST"):
        return Finding("ok", "address", "requests come in on loopback, as discovery is mem")
    if discovery != "mem" and ip_address(address.strip("[]")).is_loopback:
        return Finding(
            "note",
            "address",
            f"requests come in on {address}, which no other machine reaches;"
            " DYN_TCP_RPC_HOST chooses the address",
        )
    return Finding("ok", "address", f"requests come in on {address}")


def ports(settings: Mapping[str, Setting]) -> Iterator[Finding]:
    """Whether the ports that are chosen are free."""
    http_host, http_port = settings["http_host"], settings["http_port"]
    if http_port.value is not None:
        try:
            check_port(http_host, http_port.value)
        except Failure as failure:
            yield Finding("wrong", "HTTP port", str(failure))
        else:
            yield Finding("ok", "HTTP port", f"{http_host.value}:{http_port.value} is free")
    host, port = settings["system_host"], settings["system_port"]
    if port.value is None or port.value < 0:
        yield Finding("note", "system server", f"none; {port.place} chooses a port")
    elif port.value <= 65535:
        yield _system_server(host, port)


def _system_server(host: Setting, port: Setting) -> Finding:
    where = host.value or "127.0.0.1"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            where, port.value, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except (OSError, UnicodeError) as error:
        words = f"cannot listen on {where}:{port.value}: {_why(error)}"
        words += f"; see {host.place} and {port.place}"
        return Finding("wrong", "system server", words)
    return Finding("ok", "system server", f"{where}:{port.value} is free")


def is_nats_needed(request_plane: str, event_plane: str) -> bool:
    """Whether a worker connects to NATS: a plane uses it, or it is told where it is."""
    return "nats" in (request_plane, event_plane) or bool(os.environ.get("NATS_SERVER"))


def _connect(address: str, default_port: int, *, greets: bool = False) -> tuple[str, bytes]:
    """Where a connection was made, and what came first. What fails is an `OSError` that says it."""
    address = address.strip()
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        host, port = parts.hostname, parts.port or default_port
    except ValueError:
        host, port = None, default_port
    if not host:
        # Not the text itself: there may be a password in it.
        raise OSError("the address is not of the form http://HOST:PORT")
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
            return place, connection.recv(5, socket.MSG_WAITALL) if greets else b""
    except (OSError, UnicodeError) as error:
        raise OSError(f"{place} does not answer: {_why(error)}") from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
