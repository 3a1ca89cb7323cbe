"""Images are encoded by a worker of their own, behind Dynamo's own frontend."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.frontend import answers, start_frontend
from support.processes import until
from support.system import cards

if TYPE_CHECKING:
    from support.api import Api, Reply
    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = "captions"
# The test's model has no place for images.
TEMPLATE = (
    "{% for message in messages %}{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
    "{% else %} image {% endif %}{% endfor %}{% endif %}{% endfor %}"
)
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def serve(launcher: Launcher, model_folder: str, engine: str, *options: str) -> Process:
    template = launcher.folder / "template.jinja"
    template.write_text(TEMPLATE)
    worker = launcher.command(
        *("serve", engine, "--discovery-backend", "file", "--model-name", model_folder),
        *("--served-model-name", MODEL, "--custom-jinja-template", str(template), *options),
        env={"PYTHONPATH": str(EXAMPLES)},
    )
    worker.wait_for_line("^Serving on ")
    return worker


def encoder(launcher: Launcher, model_folder: str, engine: str = "encoder:Encoder") -> Process:
    options = ("--component", "encoder", "--disaggregation-mode", "encode")
    return serve(launcher, model_folder, engine, *options)


def asking(*more: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "alpha beta"}, *more]
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]}


def chat(api: Api) -> Reply:
    """About an image."""
    image = {"type": "image_url", "image_url": {"url": IMAGE}}
    reply = api.post("chat/completions", asking(image))
    assert reply.status in (200, 404, 503), reply.text
    return reply


def test_the_generating_worker_gets_what_the_encoder_made(
    launcher: Launcher, model_folder: str
) -> None:
    encoding = encoder(launcher, model_folder, "encoded:Told")
    generating = serve(launcher, model_folder, "encoded:Captioning", "--route-to-encoder")
    api = start_frontend(launcher)
    answers(api, "chat/completions", asking())
    # Before it knows the encoder, it lets the worker behind encode.
    until(lambda: chat(api).status == 200 and launcher.latches.is_reached("encoded"), "it encodes")
    asked = json.loads(launcher.latches.reached("encoded"))
    assert asked["multi_modal_data"]["image_url"] == [{"Url": IMAGE}]
    got = json.loads(launcher.latches.reached("generated"))
    digest = hashlib.sha256(IMAGE.encode()).digest()
    token = int.from_bytes(digest[:4], "big") % 1000
    assert got["encoder_result"] == {"embeddings": [token]}
    for worker in (generating, encoding):
        assert worker.terminate() == 0
        assert "Traceback" not in worker.output


def test_its_card_has_no_surface_and_needs_who_generates(
    launcher: Launcher, model_folder: str
) -> None:
    encoding = encoder(launcher, model_folder)
    [path] = cards(launcher)
    card = card_of(path)
    assert card["worker_type"] == "encode"
    assert card["model_type"] == ""
    assert card["needs"] == [["prefill", "decode"], ["aggregated"]]
    assert card["runtime_config"]["enable_local_indexer"] is False
    assert encoding.terminate() == 0


def test_who_takes_results_says_so_in_its_card(launcher: Launcher, model_folder: str) -> None:
    generating = serve(
        launcher,
        model_folder,
        "encoder:Captions",
        "--route-to-encoder",
        *("--media-decoder", '{"image": {"limits": {"max_image_width": 64}}}'),
        *("--media-fetcher", '{"timeout_seconds": 2, "allow_direct_ip": true}'),
    )
    [path] = cards(launcher)
    card = card_of(path)
    assert card["needs"] == [["encode"]]
    assert card["runtime_config"]["runtime_data"]["encoder_result_handoff"] is True
    assert card["media_decoder"]["image"]["limits"]["max_image_width"] == 64
    assert card["media_fetcher"]["timeout"] == {"secs": 2, "nanos": 0}
    assert card["media_fetcher"]["allow_direct_ip"] is True
    assert card["media_fetcher"]["allow_private_ips"] is False
    assert generating.terminate() == 0


def test_an_encoder_that_makes_nothing_is_an_error_of_its_own(
    launcher: Launcher, model_folder: str
) -> None:
    encoding = encoder(launcher, model_folder, "plain:Plain")
    generating = serve(launcher, model_folder, "encoder:Captions", "--route-to-encoder")
    api = start_frontend(launcher)
    answers(api, "chat/completions", asking())
    # Nothing is lost: the worker behind encodes.
    said = "Plain ended without an encoder_result that is an object"
    until(lambda: chat(api).status == 200 and said in encoding.output, "the encoder is named")
    for worker in (generating, encoding):
        assert worker.terminate() == 0


def card_of(path: Path) -> Any:
    return json.loads(path.read_text())["card_json"]
