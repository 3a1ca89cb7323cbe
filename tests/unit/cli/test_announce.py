"""What is said when serving begins."""

import json
import shlex

import pytest

from dynamo_backend_common import WorkerConfig
from dynamo_backend_common.cli import announce


def test_the_curl_line_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    announce.announce_http("http://127.0.0.1:80", "it's a model", "chat")
    said = capsys.readouterr().out
    assert said.startswith("Serving it's a model on http://127.0.0.1:80/v1\n")
    words = shlex.split(said.splitlines()[2])
    assert words[0] == "curl"
    assert "http://127.0.0.1:80/v1/chat/completions" in words
    assert json.loads(words[-1])["model"] == "it's a model"


def test_without_a_frontend_the_endpoint_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    announce.announce_endpoint(WorkerConfig(namespace="n", component="c", endpoint="e"))
    assert capsys.readouterr().out == "Serving on n.c.e\n"


@pytest.mark.parametrize(
    ("types", "path"),
    [
        ("chat,completions", "chat/completions"),
        (" Completions ", "completions"),
        ("prefill", "models"),
        ("embedding", "embeddings"),
        ("rerank", "rerank"),
        ("images", "images/generations"),
        ("videos", "videos"),
        ("audios", "audio/speech"),
    ],
)
def test_the_trial_fits_what_is_served(types: str, path: str) -> None:
    assert f"http://h:1/v1/{path}" in shlex.split(announce.curl_line("http://h:1/v1", "m", types))
