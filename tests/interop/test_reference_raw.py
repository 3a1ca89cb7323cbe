"""Raw engines and encode workers of dynamo.common.backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.api import wait_for_routes
from support.endpoint import ask
from support.event_plane import discovered
from support.frontend import answers, start_frontend
from support.reference import PROMPT, SAMPLE, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

IMAGES = "dynamo.common.backend.sample_diffusion_engine:SampleDiffusionEngine"
FILE = ("--discovery-backend", "file")


def test_their_sample_engine_for_images(launcher: Launcher) -> None:
    worker = serve(launcher, IMAGES, "--model-name", "painter", *FILE)
    api = start_frontend(launcher)
    body = {"model": "painter", "prompt": "a tree", "n": 2, "response_format": "b64_json"}
    images = json.loads(answers(api, "images/generations", body))["data"]
    assert len(images) == 2
    assert all(image["b64_json"] for image in images)
    assert worker.terminate() == 0


def test_their_sample_engine_encodes_for_another(launcher: Launcher, model_folder: str) -> None:
    serve(
        launcher,
        SAMPLE,
        "--model-name",
        model_folder,
        *FILE,
        *["--component", "encoder", "--disaggregation-mode", "encode"],
    )
    serve(launcher, SAMPLE, "--model-name", model_folder, *FILE, "--route-to-encoder")
    cards = [card["card_json"] for card in discovered(launcher, "mdc", 2)]
    assert {card["worker_type"] for card in cards} == {"aggregated", "encode"}
    api = start_frontend(launcher)
    wait_for_routes(api, model_folder, PROMPT)
    assert api.complete(PROMPT, model=model_folder).status == 200
    image = {"token_ids": PROMPT, "multi_modal_data": {"image_url": [{"Url": "data:,"}]}}
    [encoded] = ask(launcher, image, endpoint="dynamo.encoder.generate")
    assert not isinstance(encoded, str), encoded
    result = encoded[-1]["encoder_result"]
    assert result["handle"].startswith("sample-encoder:")
    with_result = image | {"encoder_result": result}
    refused, answered = ask(launcher, image, with_result, endpoint="dynamo.sample.generate")
    assert isinstance(refused, str)
    assert not isinstance(answered, str), answered
