"""What ``doctor`` finds, with servers and folders of the tests' own."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from dynamo_backend_common._core import environment_variables
from dynamo_backend_common.cli import main, reach, surroundings


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of which nothing is known, that listens on loopback."""
    for variable in environment_variables():
        if variable.name not in ("HOME", "TMPDIR"):
            monkeypatch.delenv(variable.name, raising=False)
    monkeypatch.setenv("DYN_TCP_RPC_HOST", "127.0.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(surroundings, "_POD", tmp_path)


@contextmanager
def listening(greeting: bytes = b"") -> Iterator[int]:
    """A port of a server that greets the first client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = Thread(target=greet, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else gets."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The status, and of each subject its mark and words."""
    status = main(["doctor", *argv])
    lines = capsys.readouterr().out.splitlines()
    return status, {line[7:23].strip(): (line[:6].strip(), line[24:]) for line in lines}


def test_with_all_in_one_process_nothing_else_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setattr(reach, "check_port", lambda setting, port: None)
    monkeypatch.delenv("DYN_TCP_RPC_HOST")
    status, found = told(capsys, "--http-port", str(closed_port))
    assert status == 0
    assert found["versions"][1].startswith("dynamo-backend 0.")
    assert found["build"][1].startswith(("debug", "release"))
    assert found["discovery"] == ("ok", "mem: the frontend in the process")
    assert found["address"] == ("ok", "requests come in on loopback, as discovery is mem")
    assert found["HTTP port"] == ("ok", f"127.0.0.1:{closed_port} is free")
    assert found["system server"] == ("note", "none; --system-port chooses a port")
    assert found["GPU"] == ("note", "there is no nvidia-smi here")
    assert not {"etcd", "NATS", "pod"} & found.keys()


def test_any_of_etcd_s_addresses_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    with listening() as port:
        addresses = f"http://127.0.0.1:{closed_port},http://me:secret@127.0.0.1:{port}"
        monkeypatch.setenv("ETCD_ENDPOINTS", addresses)
        status, found = told(capsys)
    assert found["etcd"] == ("ok", f"127.0.0.1:{port} takes connections")
    assert found["address"][0] == "note"
    assert "127.0.0.1, which no other machine reaches" in found["address"][1]
    assert status == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://me:secret@127.0.0.1:{port}", "127.0.0.1:{port} does not answer: Connection ref"),
        ("http://me:secret@", "the address is not of the form http://HOST:PORT"),
        ("http://me:secret@host:port", "the address is not of the form http://HOST:PORT"),
    ],
)
def test_an_etcd_that_is_not_there_is_told_without_its_password(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
    address: str,
    words: str,
) -> None:
    monkeypatch.setenv("ETCD_ENDPOINTS", address.format(port=closed_port))
    status, found = told(capsys, "--discovery-backend", "etcd")
    mark, said = found["etcd"]
    assert (status, mark) == (1, "wrong")
    assert said.startswith(words.format(port=closed_port))
    assert "secret" not in said
    assert "ETCD_ENDPOINTS" in said


@pytest.mark.parametrize(
    ("greeting", "mark"), [(b"INFO {}\r\n", "ok"), (b"SSH-2.0\r\n", "wrong"), (b"", "wrong")]
)
def test_nats_is_looked_at_where_a_plane_uses_it(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    greeting: bytes,
    mark: str,
) -> None:
    monkeypatch.setenv("DYN_FILE_KV", str(tmp_path / "a" / "b"))
    with listening(greeting) as port:
        monkeypatch.setenv("NATS_SERVER", f"nats://127.0.0.1:{port}")
        status, found = told(capsys, "--discovery-backend", "file", "--event-plane", "nats")
    assert found["NATS"][0] == mark
    assert status == (mark == "wrong")
    assert found["file discovery"] == ("ok", f"{tmp_path / 'a' / 'b'} can be written to")


def test_a_folder_that_cannot_be_one_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DYN_FILE_KV", str(tmp_path / "file" / "below"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    status, found = told(capsys, "--discovery-backend", "file")
    assert status == 1
    assert found["file discovery"][0] == "wrong"
    assert found["home"][0] == "note"


def test_an_account_without_a_home_and_temporary_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def expanduser(_path: Path) -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("HOME")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(Path, "expanduser", expanduser)
    status, found = told(capsys, "--discovery-backend", "kubernetes")
    assert status == 1
    assert found["home"] == (
        "note",
        "~ cannot be written to; a folder of temporary files takes its place",
    )
    assert found["temporary files"][0] == "wrong"
    assert found["Kubernetes"][0] == "wrong"


@pytest.mark.parametrize("as_files", [True, False])
def test_a_pod_that_knows_itself(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    as_files: bool,
) -> None:
    for name in ("POD_NAME", "POD_UID", "POD_NAMESPACE"):
        if as_files:
            (tmp_path / name.lower()).write_text(f"its-{name}\n")
        else:
            monkeypatch.setenv(name, f"its-{name}")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    status, found = told(capsys, "--discovery-backend", "kubernetes")
    assert status == 0
    assert found["pod"] == ("ok", "its-POD_NAME")
    assert found["Kubernetes"] == ("ok", "the API server is known from 10.0.0.1")
    monkeypatch.setenv("DYN_KUBE_DISCOVERY_MODE", "container")
    status, found = told(capsys, "--discovery-backend", "kubernetes")
    assert status == 1
    assert found["pod"][1].startswith("unset: CONTAINER_NAME;")


def test_what_cannot_be_listened_on_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYN_TCP_RPC_HOST", "no-such-host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("DYN_SYSTEM_PORT", str(port))
        status, found = told(capsys, "--http-port", str(port))
    assert status == 1
    for subject in ("address", "system server", "HTTP port"):
        assert found[subject][0] == "wrong", subject
    assert found["address"][1].startswith("DYN_TCP_RPC_HOST is 'no-such-host.invalid', which")
    assert "in use" in found["system server"][1]
    assert found["system server"][1].endswith("; see --system-host and DYN_SYSTEM_PORT")


def test_the_system_server_is_the_configured_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("DYN_SYSTEM_PORT", "1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        mark, words = told(capsys, "--system-port", port)[1]["system server"]
    assert (mark, words[:12]) == ("wrong", "cannot liste")
    assert words.endswith("; see --system-host and --system-port")
    host = ("--system-host", "127.0.0.2")
    assert told(capsys, "--system-port", "0", *host)[1]["system server"] == (
        "ok",
        "127.0.0.2:0 is free",
    )


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--system-port", "70000", "--system-port: 70000 is not accepted"),
        ("--system-live-path", "live", "--system-live-path: 'live' is not accepted"),
        ("--grace-period-seconds", "-5", "--grace-period-seconds: -5 is not accepted"),
    ],
)
def test_what_serve_refuses_is_wrong(
    capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    status, found = told(capsys, "--http-port", "0", f"{option}={value}")
    assert status == 1
    mark, said = found["configuration"]
    assert mark == "wrong"
    assert said.startswith(words)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo H100, 80 GB, 570; echo H200, 141 GB, 570", ("ok", "H200, 141 GB, 570")),
        ("echo no driver >&2; exit 9", ("note", "nvidia-smi shows none: no driver")),
    ],
)
def test_the_gpus_of_nvidia_smi(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, script: str, expected: tuple[str, str]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert told(capsys)[1]["GPU"] == expected


def test_mem_without_a_frontend_in_the_process_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, found = told(capsys, "--discovery-backend", "mem")
    assert status == 1
    assert found["discovery"] == ("wrong", "mem without --http-port: no frontend finds the worker")
    assert "DYN_DISCOVERY_BACKEND" not in os.environ


def test_a_typo_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--event-plane", "mail"]) == 2
    assert "--event-plane: 'mail' is unknown" in capsys.readouterr().err
