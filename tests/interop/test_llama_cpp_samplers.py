"""Sampling options that Dynamo's own frontend has no field for, from a client of the endpoint."""

from typing import Any

import pytest

from support.endpoint import ask, tokens_of
from support.launcher import Launcher
from support.system import serve

pytestmark = [pytest.mark.frontend, pytest.mark.model]


def _request(**sampling: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "token_ids": [504, 3575, 282],
        "stop_conditions": {"max_tokens": 3},
        "sampling_options": {"temperature": 0.0},
        "output_options": {},
        "eos_token_ids": [],
        "annotations": [],
        "extra_args": {"sampling_options": sampling},
    }


def test_they_come_to_the_engine(launcher: Launcher) -> None:
    env = {"XDG_CACHE_HOME": str(launcher.folder / "cache")}
    serve(launcher, "llama-cpp", "--", "--threads", "1", "--context-length", "512", env=env)
    free, biased, broken, wrong = ask(
        launcher,
        _request(),
        _request(logit_bias={"504": 100}),
        _request(dry_multiplier=3, xtc_probability=0.5, typical_p=0.9, mirostat=2),
        _request(mirostat=7),
    )
    assert tokens_of(biased) == [504] * 3 != tokens_of(free)
    assert len(tokens_of(broken)) == 3
    assert "mirostat is 7; it must be an integer, 0 to 2" in wrong
