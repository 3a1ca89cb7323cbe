"""The request plane over TLS, by the runtime's own variables."""

import socket
import ssl
from pathlib import Path

import pytest

from support.api import text_of, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.ports import LOOPBACK
from support.processes import PATIENCE
from support.tls import Certificates, certificates

PROMPT = "alpha beta gamma"


@pytest.fixture
def tls(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


def variables(tls: Certificates, port: int) -> dict[str, str]:
    return {
        "DYN_TCP_RPC_PORT": str(port),
        "DYN_TCP_TLS_CERT_PATH": str(tls.certificate),
        "DYN_TCP_TLS_KEY_PATH": str(tls.key),
        "DYN_TCP_TLS_CA_CERT_PATH": str(tls.authority),
    }


def shakes_hands(tls: Certificates, port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), PATIENCE) as plain:
        try:
            tls.for_client().wrap_socket(plain, server_hostname=LOOPBACK).close()
        except ssl.SSLError:
            return False
    return True


def test_fault_40_worker_and_frontend_of_one_process_talk_over_tls(
    launcher: Launcher, model_folder: str, tls: Certificates
) -> None:
    port = launcher.ports.reserve()
    server = launcher.serve("echo", "--model-name", model_folder, env=variables(tls, port))
    assert shakes_hands(tls, port)
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    assert server.process.terminate() == 0


@pytest.mark.frontend
def test_fault_40_worker_and_dynamos_own_frontend_talk_over_tls(
    launcher: Launcher, model_folder: str, tls: Certificates
) -> None:
    port = launcher.ports.reserve()
    worker = launcher.command(
        *("serve", "plain:Plain", "--discovery-backend", "file", "--model-name", model_folder),
        env=variables(tls, port),
    )
    worker.wait_for_line("^Serving on")
    assert shakes_hands(tls, port)
    frontend = start_frontend(launcher, env=variables(tls, 0) | {"DYN_TCP_RPC_PORT": ""})
    wait_for_model(frontend, "plain")
    answer = frontend.complete(PROMPT)
    assert text_of(answer.json).strip() == PROMPT
    assert worker.terminate() == 0
