"""The bundled engine with one KV cache for all requests, smaller than what they want together."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.launcher import Launcher

pytestmark = pytest.mark.model

STORY = "Once upon a time there was a lighthouse keeper who counted the ships. " * 4


def test_nobody_is_cut_where_the_cache_is_full(launcher: Launcher) -> None:
    server = launcher.serve(
        "llama-cpp",
        *("--", "--kv-unified", "--context-length", "256", "--max-num-seqs", "3"),
        *("--cache-type-k", "q8_0", "--cache-type-v", "q8_0"),
        env={"XDG_CACHE_HOME": str(launcher.folder / "cache")},
    )
    options = {"max_tokens": 32, "ignore_eos": True, "temperature": 0}
    with ThreadPoolExecutor() as clients:
        answers = list(
            clients.map(
                lambda number: server.api.complete(f"{number} {STORY}", **options), range(3)
            )
        )
    for answer in answers:
        assert answer.status == 200, answer.text
        assert answer.json["choices"][0]["finish_reason"] == "length"
        assert answer.json["usage"]["completion_tokens"] == 32
        assert answer.json["usage"]["total_tokens"] > 256 / 3
    assert server.api.complete([504] * 257, max_tokens=1).status == 400
    assert server.process.terminate() == 0
    # That there was no room was expected, and mended.
    assert "memory slot" not in server.process.output
    assert "Traceback" not in server.process.output
