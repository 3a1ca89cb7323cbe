"""Certificates of the tests' own, for servers on the loopback."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NEW = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
_NEW += ["-pkeyopt", "ec_paramgen_curve:P-256"]
_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and what it has signed for the loopback."""

    authority: Path
    certificate: Path
    key: Path

    def for_server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def for_client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


def certificates(folder: Path) -> Certificates:
    """Makes them, below ``folder``."""
    made = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    signing = folder / "authority.key"
    _run("-subj", "/CN=tests", "-keyout", signing, "-out", made.authority)
    _run(
        *("-CA", made.authority, "-CAkey", signing, "-subj", "/CN=localhost"),
        *("-addext", _NAMES, "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", made.key, "-out", made.certificate),
    )
    return made


def _run(*options: str | Path) -> None:
    subprocess.run([*_NEW, *map(str, options)], check=True, capture_output=True)
