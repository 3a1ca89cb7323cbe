"""Bodies of controls: what is not accepted is named, and vLLM is not asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument
from dynamo_backend_common.engines.vllm.controls import Controls
from dynamo_backend_common.engines.vllm.lora import Adapters


class Untouched:
    """A vLLM that nobody may call."""

    vllm_config = SimpleNamespace(
        model_config=SimpleNamespace(enable_sleep_mode=True),
        profiler_config=SimpleNamespace(profiler="torch"),
        weight_transfer_config=SimpleNamespace(backend="nccl"),
    )

    async def start_profile(self, profile_prefix: str | None = None) -> None:
        raise AssertionError("called")


@pytest.fixture
def controls() -> Controls:
    llm = Untouched()
    return Controls(llm, Adapters(llm, frozenset({"model"})))


@pytest.mark.parametrize(
    ("control", "body", "message"),
    [
        ("sleep", {"level": 3}, "sleep: level is 3; accepted: a whole number, 0 to 2"),
        ("sleep", {"level": True}, "sleep: level is True"),
        ("sleep", {"level": "1"}, "sleep: level is '1'"),
        ("sleep", {"mode": "keep"}, "sleep: unknown key 'mode'; known: level"),
        ("wake_up", {"tags": []}, "a list of weights, kv_cache, scheduling"),
        ("wake_up", {"tags": ["weights", "cache"]}, "wake_up: tags is"),
        ("wake_up", {"tags": [{}]}, "wake_up: tags is"),
        ("wake_up", {"tags": "weights"}, "wake_up: tags is 'weights'"),
        ("is_sleeping", {"x": 1}, "is_sleeping: unknown key 'x'; known: none"),
        ("pause_generation", {"mode": "stop"}, "accepted: keep, wait, abort"),
        ("pause_generation", {"clear_cache": 1}, "clear_cache is 1; accepted: true or false"),
        ("resume_generation", {"mode": "keep"}, "unknown key 'mode'"),
        ("reset_prefix_cache", {"reset_connector": "yes"}, "reset_connector is 'yes'"),
        ("start_profile", {"profile_prefix": " "}, "profile_prefix is ' '"),
        ("start_profile", {"max_iterations": 3}, "unknown key 'max_iterations'"),
        ("set_weight_version", {}, "set_weight_version: weight_version is missing"),
        ("update_weights_from_disk", {"model_path": "/no/where"}, "'/no/where' is no folder here"),
        ("init_weight_transfer_engine", {"init_info": []}, "init_info is []; accepted: a JSON obj"),
        ("update_weights", {}, "update_info is None; accepted: a JSON object, or a list of them"),
        ("update_weights", {"update_info": [1]}, "update_info is [1]"),
        ("finish_weight_update", {"weight_version": 7}, "weight_version is 7"),
        ("load_lora", {"lora_path": "/a"}, "load_lora: lora_name is missing"),
        ("load_lora", {"lora_name": "a"}, "give lora_path, or source with a uri"),
        ("load_lora", {"lora_name": "a", "source": {"uri": "s3://b/a"}}, "'s3://b/a'; accepted:"),
        ("load_lora", {"lora_name": "model", "lora_path": "/a"}, "the name of the model itself"),
        ("unload_lora", {}, "unload_lora: lora_name is missing"),
        ("nonsense", {}, "has no control 'nonsense'; it has finish_weight_update"),
    ],
)
async def test_what_is_not_accepted_is_named(
    controls: Controls, control: str, body: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        await controls(control, body)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("control", "body"),
    [
        ("sleep", {"level": 3}),
        ("sleep", {"mode": "keep"}),
        ("pause_generation", {"mode": "stop"}),
        ("pause_generation", {"clear_cache": 1}),
    ],
)
async def test_what_takes_the_worker_out_of_discovery_is_looked_at_before(
    controls: Controls, control: str, body: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument) as before:
        controls.validate(control, body)
    with pytest.raises(InvalidArgument) as asked:
        await controls(control, body)
    assert str(before.value) == str(asked.value)


def test_what_would_be_accepted_passes(controls: Controls) -> None:
    for control, body in [("sleep", {"level": 2}), ("pause_generation", {}), ("wake_up", {})]:
        controls.validate(control, body)


def test_adapters_and_weights_are_updates_too(controls: Controls) -> None:
    assert controls.updates == [
        "finish_weight_update",
        "init_weight_transfer_engine",
        "list_loras",
        "load_lora",
        "start_draft_weight_update",
        "start_weight_update",
        "unload_lora",
        "update_weights",
    ]


def test_only_what_the_configuration_allows_is_offered() -> None:
    llm = SimpleNamespace(
        vllm_config=SimpleNamespace(
            model_config=SimpleNamespace(enable_sleep_mode=False),
            device_config=SimpleNamespace(device_type="cuda"),
            profiler_config=SimpleNamespace(profiler=None),
            weight_transfer_config=None,
        )
    )
    assert Controls(llm, None).names == [
        "get_weight_version",
        "pause_generation",
        "reset_prefix_cache",
        "resume_generation",
        "set_weight_version",
        "update_weights_from_disk",
    ]
