"""Dynamo's own router tells blocks of equal tokens apart: by adapter, cache salt and image."""

import base64
from functools import partial

import pytest

from support.api import Api, Reply
from support.fleet import REQUESTS, Fleet
from support.launcher import Launcher
from support.processes import until

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(300)]

ENOUGH = 95
"""Of 100 requests, those that go where their prefix is."""
IMAGE = 999
"""The token that stands for parts of an image, as the engine's."""


def spread(served: dict[tuple[int, int], int]) -> bool:
    """Whether the router knew nobody for them."""
    return max(served.values()) < ENOUGH


def test_a_request_goes_where_its_prefix_is_with_its_cache_salt(
    launcher: Launcher, model_folder: str
) -> None:
    fleet = Fleet(launcher, model_folder, "caching:Pushing", env={})
    prefix = fleet.prefix()
    salted = {"north": (0, 1), "south": (1, 2)}
    for salt, place in salted.items():
        fleet.tell(place, "stored", prefix, cache_salt=salt)
    for salt, place in salted.items():
        fleet.until_it_leads_to(place, prefix, nvext={"cache_salt": salt})
        served = fleet.ask(prefix, nvext={"cache_salt": salt})
        assert served[place] >= ENOUGH, served
    for salt in ("", "west"):
        served = fleet.ask(prefix, nvext={"cache_salt": salt} if salt else None)
        assert spread(served), (salt, served)

    # In one message the blocks leave one salt for another.
    fleet.tell((1, 2), "replaced", prefix, cache_salt="west")
    fleet.until_it_leads_to((1, 2), prefix, nvext={"cache_salt": "west"})
    served = fleet.ask(prefix, nvext={"cache_salt": "south"})
    assert spread(served), served


def test_a_request_goes_where_its_prefix_is_with_its_adapter(
    launcher: Launcher, model_folder: str
) -> None:
    fleet = Fleet(launcher, model_folder, "caching:Tuned", env={})
    for _, system in fleet.workers:
        assert system.control("load_lora", {"name": "poet"}).json == {"status": "ok"}
    until(lambda: "poet" in fleet.api.models(), "the adapter is listed")
    prefix = fleet.prefix()
    fleet.tell((0, 0), "stored", prefix, lora_name="poet")
    fleet.tell((1, 3), "stored", prefix)
    for place, model in [((0, 0), "poet"), ((1, 3), "caching")]:
        fleet.until_it_leads_to(place, prefix, model=model)
        served = fleet.ask(prefix, model=model)
        assert served[place] >= ENOUGH, served
    fleet.tell((1, 3), "removed", prefix)
    fleet.until_it_leads_nowhere(prefix)
    assert fleet.ask(prefix, model="poet")[0, 0] == REQUESTS


@pytest.mark.parametrize("engine", ["Seeing", "SeeingOnSocket"])
def test_a_request_goes_where_its_image_is(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    env = {
        "DYN_VLLM_ENABLE_INFERENCE_V1_GENERATE": "1",
        "DYN_HTTP_SVC_VLLM_GENERATE_PATH": "/v1/generate",
    }
    fleet = Fleet(launcher, model_folder, f"caching:{engine}", env=env)
    prefix = fleet.prefix()
    # Across the border of two blocks.
    prefix[20:40] = [IMAGE] * 20
    names = {}
    for image in ("cat", "dog"):
        fleet.ask(prefix, 8, ask=partial(ask_with_image, fleet.api, image))
        seen = {
            name for _, system in fleet.workers for name in system.control("seen").json["images"]
        }
        [names[image]] = seen
    assert names["cat"] != names["dog"]

    places = {"cat": (0, 1), "dog": (1, 3)}
    for image, place in places.items():
        fleet.tell(place, "stored", prefix, image=names[image])
    for image, place in places.items():
        ask = partial(ask_with_image, fleet.api, image)
        fleet.until_it_leads_to(place, prefix, ask=ask)
        served = fleet.ask(prefix, ask=ask)
        assert served[place] >= ENOUGH, served
    for unknown in ("cow", None):
        served = fleet.ask(prefix, ask=partial(ask_with_image, fleet.api, unknown))
        # The block in front of the image is the same.
        assert spread(served), (unknown, served)


def ask_with_image(api: Api, image: str | None, prompt: list[int]) -> Reply:
    """Asks for a token as vLLM's clients do, who name the images of the prompt."""
    places = [at for at, token in enumerate(prompt) if token == IMAGE]
    features = {
        "mm_hashes": {"image": [str(image)]},
        "mm_placeholders": {"image": [{"offset": places[0], "length": len(places)}]},
        "kwargs_data": {"image": [base64.b64encode(str(image).encode()).decode()]},
    }
    body = {
        "model": "caching",
        "token_ids": prompt,
        "sampling_params": {"max_tokens": 1},
        "features": features if image else None,
    }
    return api.post("generate", body)
