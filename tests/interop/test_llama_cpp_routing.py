"""Two bundled engines behind Dynamo's own frontend, which routes by what their caches hold."""

import json
from collections.abc import Callable

import pytest

from support.api import Api, wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import until
from support.system import instances, serve
from support.tiny_gguf import write_tiny_of
from support.vocabularies import metadata

pytestmark = [pytest.mark.frontend, pytest.mark.model]

BLOCK = 16
PREFIX = 5 * BLOCK
OPTIONS = ["--threads", "1", "--max-num-seqs", "4", "--context-length", "512"]


def prompt(prefix: int, number: int) -> list[int]:
    """A prompt of one of the long prefixes; its own end begins with the first token after it."""
    beginning = [1000 * prefix + place for place in range(PREFIX)]
    return [*beginning, *(20_000 + 100 * number + place for place in range(4))]


def ask(api: Api, tokens: list[int], *, added: int = 0, **nvext: object) -> tuple[int, int]:
    """The worker that answered, and how many tokens of the prompt it had; it ``added`` some."""
    options = {"nvext": {"extra_fields": ["worker_id"], **nvext}}
    answer = api.complete(tokens, max_tokens=1, temperature=0, **options)
    assert answer.status == 200, answer.text
    usage = answer.json["usage"]
    assert usage["prompt_tokens"] == len(tokens) + added
    worker = answer.json["nvext"]["worker_id"]["decode_worker_id"]
    return worker, usage["prompt_tokens_details"]["cached_tokens"]


def chosen(api: Api, tokens: list[int]) -> int:
    """The worker that the router would send a prompt to."""
    body = api.body_of_completion(tokens, nvext={"annotations": ["query_instance_id:"]})
    answer = api.post("completions", body)
    assert answer.status == 200, answer.text
    return int(answer.json["nvext"]["worker_id"]["decode_worker_id"])


def gauge(text: str, name: str) -> float:
    """The value of a gauge of the only rank."""
    [line] = [line for line in text.splitlines() if line.startswith(f"dynamo_component_{name}{{")]
    return float(line.split()[-1])


def until_known(api: Api, worker: int, tokens: list[int]) -> None:
    """Waits until the router chooses ``worker``, and not by chance."""
    until(
        lambda: all(chosen(api, tokens) == worker for _ in range(8)),
        f"the router sends the prompt to {worker}",
    )


def test_requests_go_to_the_worker_that_has_their_prefix(
    launcher: Launcher, record_property: Callable[[str, object], None]
) -> None:
    env = {"XDG_CACHE_HOME": str(launcher.folder / "cache")}
    systems = [serve(launcher, "llama-cpp", "--", *OPTIONS, env=env)[1] for _ in range(2)]
    api = start_frontend(launcher, "--router-mode", "kv")
    wait_for_model(api)
    workers = [json.loads(path.read_text())["instance_id"] for path in instances(launcher)]
    first = workers[0]
    homes = {prefix: workers[prefix % 2] for prefix in range(1, 7)}
    for prefix, home in homes.items():
        assert ask(api, prompt(prefix, 0), backend_instance_id=home) == (home, 0)
    for prefix, home in homes.items():
        until_known(api, home, prompt(prefix, 1))

    answers = {
        (prefix, number): ask(api, prompt(prefix, number))
        for number in range(1, 5)
        for prefix in homes
    }
    found = [answers[prefix, number] == (homes[prefix], PREFIX) for prefix, number in answers]
    record_property("found", f"{sum(found)} of {len(found)}")
    assert all(found), answers
    for system in systems:
        text = system.get("/metrics").text
        # Each has 3 prefixes, which came 5 times, and were found but for the first time.
        assert gauge(text, "kv_cache_hit_rate") == pytest.approx(4 * PREFIX / (5 * (PREFIX + 4)))
        assert gauge(text, "total_blocks") == 4 * 512 / BLOCK
        assert gauge(text, "gpu_cache_usage_percent") == 0

    # Other prompts take the place of a prefix at its home: it is in the host's memory there.
    moved = next(prefix for prefix, home in homes.items() if home == first)
    for other in range(7, 11):
        assert ask(api, prompt(other, 0), backend_instance_id=first) == (first, 0)
    assert ask(api, prompt(moved, 5)) == (first, PREFIX)


def test_prompts_that_a_worker_begins_go_to_the_worker_that_has_them(launcher: Launcher) -> None:
    path = write_tiny_of(launcher.folder / "tiny.gguf", metadata("llama"))
    env = {"XDG_CACHE_HOME": str(launcher.folder / "cache")}
    for _ in range(2):
        serve(launcher, "llama-cpp", "--", "--model-path", str(path), *OPTIONS, env=env)
    api = start_frontend(launcher, "--router-mode", "kv")
    wait_for_model(api)
    workers = [json.loads(path.read_text())["instance_id"] for path in instances(launcher)]
    beginnings = {home: [300 + 50 * number] * PREFIX for number, home in enumerate(workers)}
    for home, tokens in beginnings.items():
        assert ask(api, [*tokens, 400], added=1, backend_instance_id=home) == (home, 0)
    for home, tokens in beginnings.items():
        until_known(api, home, [*tokens, 401])
        # With the beginning, that many whole blocks.
        assert ask(api, [*tokens, 402], added=1) == (home, PREFIX)
        # Whoever begins the prompt finds them as well.
        until_known(api, home, [1, *tokens, 403])
        assert ask(api, [1, *tokens, 404]) == (home, PREFIX)
