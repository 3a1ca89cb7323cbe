"""What the engine does not have is refused by its name, and what asks for nothing is not."""

import sys
from types import ModuleType
from typing import Any

import pytest

from dynamo_backend_common.engines.vllm.refusals import refuse_unsupported, refusing
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("sampling_options", "n", 2),
        ("sampling_options", "best_of", 3),
        ("sampling_options", "use_beam_search", True),
        ("sampling_options", "length_penalty", 0.5),
        ("output_options", "formatted_prompt", True),
        ("extra_args", "vllm_tito", {"sampling_params": {}}),
        ("extra_args", "kv_transfer_params", {"remote_host": "elsewhere"}),
        (None, "multi_modal_data", {"image_url": [{"Url": "http://127.0.0.1/a.png"}]}),
        (None, "prompt_embeds", "AAAA"),
        (None, "encoder_result", {"a": 1}),
    ],
)
def test_refused_by_name(part: Any, name: Any, value: Any) -> None:
    request = {name: value} if part is None else {part: {name: value}}
    with pytest.raises(InvalidArgument, match=f"^{name} is .*vllm engine"):
        refuse_unsupported(request)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"sampling_options": None, "output_options": None, "extra_args": None},
        {
            "sampling_options": {
                "n": 1,
                "best_of": 1,
                "use_beam_search": False,
                "length_penalty": 1.0,
            },
            "output_options": {"formatted_prompt": False},
            "extra_args": {"kv_transfer_params": {}, "nvext": {"extra_fields": ["worker_id"]}},
            "multi_modal_data": {},
            "prompt_embeds": None,
        },
    ],
)
def test_nothing_asked_for(request_: dict[str, Any]) -> None:
    refuse_unsupported(request_)


@pytest.mark.parametrize("raised", [ValueError("top_p must be"), TypeError("top_p must be")])
def test_wrong_values_are_the_requests_fault(raised: Any) -> None:
    with pytest.raises(InvalidArgument, match="top_p must be") as refused, refusing():
        raise raised
    assert refused.value.__cause__ is raised


@pytest.fixture
def refused_by_vllm(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """The class of what vLLM refuses, which is not there where these tests run."""
    refused = type("VLLMClientError", (Exception,), {})
    module = ModuleType("vllm.exceptions")
    monkeypatch.setattr(module, "VLLMClientError", refused, raising=False)
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.exceptions", module)
    return refused


def test_what_vllm_refuses_leaves_no_traceback(refused_by_vllm: Any) -> None:
    with pytest.raises(InvalidArgument, match="no such guide") as refused, refusing():
        raise refused_by_vllm("no such guide")
    assert refused.value.__cause__ is None


def test_what_is_no_fault_of_the_requests_passes(refused_by_vllm: Any) -> None:
    with pytest.raises(KeyError), refusing():
        raise KeyError("a fault")


def test_an_error_of_ours_passes() -> None:
    with pytest.raises(EngineShutdown), refusing():
        raise EngineShutdown("gone")
