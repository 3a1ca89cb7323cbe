"""What is said when serving begins."""

import json
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.cli import announce


class Models(BaseHTTPRequestHandler):
    """A frontend that lists its model at the second time of asking."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        listed = [{"id": "it's a model"}] if self.asked > 1 else []
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": listed}).encode())

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_frontend_is_asked_for_the_name(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    announce.announce_http("127.0.0.1", port, WorkerConfig(), threading.Event())
    for thread in set(threading.enumerate()) - before:
        thread.join()
    said = capsys.readouterr().out
    assert said.startswith(f"Serving it's a model on http://127.0.0.1:{port}/v1\n")
    words = shlex.split(said.splitlines()[2])
    assert words[0] == "curl"
    assert f"http://127.0.0.1:{port}/v1/chat/completions" in words
    assert json.loads(words[-1])["model"] == "it's a model"


def test_a_frontend_that_lists_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(announce, "_PATIENCE_SECONDS", 0.01)
    config = WorkerConfig(model_name="owner/name")
    announce._announce("http://127.0.0.1:1/v1", config, threading.Event())
    assert capsys.readouterr().out.startswith("Serving owner/name on http://127.0.0.1:1/v1\n")


def test_nothing_is_said_once_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    over = threading.Event()
    over.set()
    announce._announce("http://127.0.0.1:1/v1", WorkerConfig(), over)
    assert capsys.readouterr().out == ""


def test_without_a_frontend_the_endpoint_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    announce.announce_endpoint(WorkerConfig(namespace="n", component="c", endpoint="e"))
    assert capsys.readouterr().out == "Serving on n.c.e\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/v1"),
        ("0.0.0.0", "http://127.0.0.1:80/v1"),
        ("::", "http://[::1]:80/v1"),
        ("fe80::1", "http://[fe80::1]:80/v1"),
        ("gpu7.example", "http://gpu7.example:80/v1"),
    ],
)
def test_the_address_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert announce.base_url(host, 80) == url


@pytest.mark.parametrize(
    ("types", "path"),
    [
        ("chat,completions", "chat/completions"),
        (" Completions ", "completions"),
        ("embedding", "embeddings"),
        ("tensor", "models"),
    ],
)
def test_the_trial_fits_what_is_served(types: str, path: str) -> None:
    assert f"http://h:1/v1/{path}" in shlex.split(announce.curl_line("http://h:1/v1", "m", types))


@pytest.mark.parametrize(
    ("listed", "config", "model"),
    [
        (["a", "b"], WorkerConfig(served_model_name="b"), "b"),
        (["a", "b"], WorkerConfig(model_name="b"), "b"),
        (["a"], WorkerConfig(model_name="path/of/it"), "a"),
        ([], WorkerConfig(served_model_name="s", model_name="m"), "s"),
        ([], WorkerConfig(), "dynamo"),
    ],
)
def test_the_name_among_those_listed(listed: list[str], config: WorkerConfig, model: str) -> None:
    assert announce.choose_model(listed, config) == model
