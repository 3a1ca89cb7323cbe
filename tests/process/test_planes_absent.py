"""What a worker says that cannot reach what its planes need: NATS, or the Kubernetes API."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from support.servers import Nats
from support.system import SERVING

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher
    from support.processes import Process

PLANES = pytest.mark.parametrize("plane", ["DYN_REQUEST_PLANE", "DYN_EVENT_PLANE"])


def serve(launcher: Launcher, discovery: str, **env: str) -> Process:
    return launcher.command("serve", "loaded:Loaded", "--discovery-backend", discovery, env=env)


def error_of(worker: Process) -> str:
    """The one line that says why the command failed, which no start of an engine was before."""
    assert worker.wait() == 1
    assert "Engine started" not in worker.output
    assert "Traceback" not in worker.output
    [error] = re.findall(r"^dynamo-backend: error: (.*)$", worker.stderr, re.MULTILINE)
    return str(error)


@PLANES
def test_section_4_3_a_nats_that_never_comes_is_tried_again_and_then_named(
    launcher: Launcher, plane: str
) -> None:
    nats = Nats(launcher)
    env = {"NATS_SERVER": nats.url, "NATS_STARTUP_CONNECT_TIMEOUT_SECONDS": "1"}
    worker = serve(launcher, "file", DYN_CONNECT_TIMEOUT_SECS="6", **{plane: "nats"}, **env)
    error = error_of(worker)
    assert error.startswith("connect: gave up after "), error
    assert f"NATS_SERVER is {nats.url}" in error
    assert "ETCD" not in error
    assert re.search(r"Connecting failed: .*attempt=2", worker.output)


def test_section_4_3_a_nats_that_does_not_answer_in_time_is_named_too(launcher: Launcher) -> None:
    # Somebody listens there, and says nothing.
    url = f"nats://someone:hunter2@127.0.0.1:{launcher.ports.occupy()}"
    env = {"DYN_REQUEST_PLANE": "nats", "NATS_SERVER": url, "DYN_CONNECT_TIMEOUT_SECS": "1"}
    worker = serve(launcher, "file", **env)
    error = error_of(worker)
    assert "had no answer yet" in error
    assert "NATS_SERVER is nats://127.0.0.1:" in error
    assert "hunter2" not in worker.output


@PLANES
def test_section_4_3_a_nats_that_comes_up_later_is_waited_for(
    launcher: Launcher, plane: str
) -> None:
    nats = Nats(launcher)
    worker = serve(launcher, "file", NATS_SERVER=nats.url, **{plane: "nats"})
    worker.wait_for_line("NATS not reachable yet")
    nats.start()
    worker.wait_for_line(SERVING)
    assert worker.terminate() == 0


def test_section_12_7_a_signal_ends_the_wait_for_a_nats_that_is_not_there(
    launcher: Launcher,
) -> None:
    worker = serve(launcher, "file", NATS_SERVER=Nats(launcher).url, DYN_REQUEST_PLANE="nats")
    worker.wait_for_line("NATS not reachable yet")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


def test_an_address_that_is_none_of_nats_is_refused_at_once(launcher: Launcher) -> None:
    worker = serve(launcher, "mem", NATS_SERVER="localhost:4222", DYN_EVENT_PLANE="nats")
    error = error_of(worker)
    assert error.startswith("connect: NATS_SERVER is 'localhost:4222', which is no address"), error
    assert "nats:// or tls://" in error


@pytest.mark.parametrize("option", ["--request-plane", "--event-plane", "--discovery-backend"])
def test_section_4_1_a_plane_that_there_is_not_is_refused_before_anything_is_started(
    launcher: Launcher, option: str
) -> None:
    worker = launcher.command("serve", "loaded:Loaded", option, "pigeon")
    assert worker.wait() == 2
    assert option in worker.stderr
    assert "pigeon" in worker.stderr
    accepted = {"--request-plane": "tcp", "--event-plane": "zmq", "--discovery-backend": "etcd"}
    assert accepted[option] in worker.stderr


def test_kubernetes_outside_a_cluster_says_at_once_what_is_missing(
    launcher: Launcher, tmp_path: Path
) -> None:
    error = error_of(serve(launcher, "kubernetes", HOME=str(tmp_path), KUBECONFIG="/none"))
    assert error.startswith("connect: discovery by Kubernetes is for a worker in a pod"), error
    for name in ("POD_NAME", "POD_UID", "KUBERNETES_SERVICE_HOST"):
        assert name in error


@pytest.mark.parametrize("mode", ["pod", "container"])
def test_kubernetes_without_its_api_is_no_start(
    launcher: Launcher, tmp_path: Path, mode: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(f"""
        apiVersion: v1
        kind: Config
        clusters: [{{name: none, cluster: {{server: "http://127.0.0.1:{launcher.ports.reserve()}"}}}}]
        contexts: [{{name: none, context: {{cluster: none, user: none}}}}]
        users: [{{name: none, user: {{}}}}]
        current-context: none
    """)
    pod = {"POD_NAME": "worker-0", "POD_UID": "1", "POD_NAMESPACE": "default"}
    env = {"KUBECONFIG": str(kubeconfig), "DYN_KUBE_DISCOVERY_MODE": mode, "CONTAINER_NAME": "x"}
    worker = serve(launcher, "kubernetes", DYN_CONNECT_TIMEOUT_SECS="6", **pod, **env)
    error = error_of(worker)
    assert error.startswith("connect: gave up after "), error
    assert "client error (Connect)" in error
