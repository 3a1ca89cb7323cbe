"""The engine llama-cpp, with its real model, keeps the contract between a worker and an engine."""

import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp
from dynamo_backend_common.testing import check_engine, request


@pytest.mark.model
def test_llama_cpp_keeps_the_contract() -> None:
    results = check_engine(
        lambda: LlamaCpp(context_length=512, max_num_seqs=4, threads=1),
        request=request(range(1, 65), stop_conditions={"max_tokens": 12, "ignore_eos": True}),
        requests=40,
        timeout=60,
    )
    skipped = {result.name for result in results if result.outcome == "skipped"}
    assert skipped == {"generator_is_closed"}
