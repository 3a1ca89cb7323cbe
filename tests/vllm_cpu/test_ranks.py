"""Two data-parallel ranks on one node: each has its events, its load and its metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.api import wait_for_routes
from support.endpoint import ask, tokens_of
from support.frontend import start_frontend
from support.launcher import Launcher
from support.metrics import samples
from support.processes import until
from support.vllm_worker import BLOCK, NAME, PROMPTS, Served, VllmWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

RANKS = ("0", "1")


@pytest.fixture(scope="module")
def ranked(path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Launcher(tmp_path_factory.mktemp("ranks")) as launcher:
        worker = VllmWorker(launcher, "--data-parallel-size", "2", path=path)
        worker.wait()
        api = start_frontend(launcher, "--router-mode", "kv")
        wait_for_routes(api, NAME, PROMPTS[0])
        yield Served(launcher, worker, api)


def test_the_card_has_both_ranks_and_the_blocks_of_one(ranked: Served) -> None:
    folder = ranked.launcher.folder / "discovery" / "v1" / "mdc"
    [record] = (path for path in folder.rglob("*") if path.is_file())
    runtime: dict[str, Any] = json.loads(record.read_text())["card_json"]["runtime_config"]
    assert (runtime["data_parallel_size"], runtime["data_parallel_start_rank"]) == (2, 0)
    totals = by_rank(ranked, "dynamo_component_total_blocks")
    assert totals == dict.fromkeys(RANKS, float(runtime["total_kv_blocks"]))


def by_rank(served: Served, name: str, label: str = "dp_rank") -> dict[str, float]:
    text = served.worker.system.get("/metrics").text
    return {labels[label]: value for labels, value in samples(text, name)}


def test_each_rank_serves_and_tells_of_it(ranked: Served) -> None:
    def made() -> dict[str, float]:
        return by_rank(ranked, "vllm:generation_tokens_total", "engine")

    # The fixture's own request made one; statistics come a tenth of a second later.
    until(lambda: set(made()) == set(RANKS) and any(made().values()), "the first token is counted")
    before = made()
    requests = [
        {
            "token_ids": [5 + int(rank)] * (2 * BLOCK + 1),
            "stop_conditions": {"max_tokens": 7, "ignore_eos": True},
            "routing": {"dp_rank": int(rank)},
        }
        for rank in RANKS
    ]
    answers = ask(ranked.launcher, *requests)
    assert [len(tokens_of(answer)) for answer in answers] == [7, 7]
    expected = {rank: before[rank] + 7 for rank in RANKS}
    until(lambda: made() == expected, "each rank made its tokens")
    hits = "dynamo_component_kv_cache_hit_rate"
    until(lambda: set(by_rank(ranked, hits)) == set(RANKS), "both ranks tell their hit rate")
    # What a rank tells is for that rank's place in the index.
    text = ranked.worker.system.get("/metrics").text
    dropped = samples(text, "dynamo_component_worker_kv_events_dropped_total")
    assert {labels["dp_rank"] for labels, _ in dropped} == set(RANKS)
    assert not any(value for _, value in dropped)


def test_vllm_chooses_where_the_rank_is_another_workers(ranked: Served) -> None:
    stops = {"max_tokens": 3, "ignore_eos": True}
    request = {"token_ids": [5], "stop_conditions": stops, "routing": {"dp_rank": 2}}
    [answer] = ask(ranked.launcher, request)
    assert len(tokens_of(answer)) == 3
