"""Section 6: the card that a frontend reads, as it lies in discovery by files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.metrics import samples
from support.streams import PROMPT
from support.system import SERVING, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.launcher import Launcher

SET = {
    "display_name": "operators",
    "context_length": 2048,
    "kv_cache_block_size": 16,
    "model_type": "Chat",
    "model_input": "Tokens",
    "worker_type": "aggregated",
    "needs": [],
    "chat_template_file.hf_chat_template.is_custom": True,
    "runtime_config.context_length": 2048,
    "runtime_config.total_kv_blocks": 1000,
    "runtime_config.max_num_seqs": 64,
    "runtime_config.max_num_batched_tokens": 8192,
    "runtime_config.data_parallel_size": 4,
    "runtime_config.data_parallel_start_rank": 2,
    "runtime_config.disaggregated_endpoint.bootstrap_host": "192.0.2.7",
    "runtime_config.disaggregated_endpoint.bootstrap_port": 8998,
    "runtime_config.runtime_data": {
        "groups": [1, {"two": None}],
        "name": "x",
        "default_thinking_mode": "disabled",
    },
    "aliases": ["other", "another"],
    "runtime_config.enable_eagle": True,
    "runtime_config.kv_state_endpoint": {
        "namespace": "dynamo",
        "component": "kv",
        "name": "events",
    },
    "runtime_config.tool_call_parser": "hermes",
    "runtime_config.reasoning_parser": "qwen3",
    "runtime_config.exclude_tools_when_tool_choice_none": False,
    "runtime_config.structural_tag_mode": "on",
    "runtime_config.structural_tag_scope": "always",
    "runtime_config.structural_tag_schema": "strict",
    "runtime_config.structural_tag.scope": "always",
    "runtime_config.structural_tag.schema": "strict",
    "runtime_config.enable_local_indexer": False,
}
UNSET = {
    "display_name": "bare",
    "model_type": "Chat | Completions",
    "runtime_config.context_length": None,
    "runtime_config.total_kv_blocks": None,
    "runtime_config.max_num_seqs": None,
    "runtime_config.max_num_batched_tokens": None,
    "runtime_config.data_parallel_size": 1,
    "runtime_config.data_parallel_start_rank": 0,
    "runtime_config.disaggregated_endpoint": None,
    "runtime_config.tool_call_parser": None,
    "runtime_config.reasoning_parser": None,
    "runtime_config.exclude_tools_when_tool_choice_none": True,
    "runtime_config.structural_tag_mode": "off",
    "runtime_config.structural_tag": None,
    "runtime_config.enable_eagle": False,
    "runtime_config.kv_state_endpoint": None,
    "runtime_config.runtime_data": None,
    "runtime_config.taints": None,
    "runtime_config.topology_domains": None,
    "runtime_config.enable_local_indexer": True,
}


def card(
    launcher: Launcher, engine: str, *options: str, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    process = launcher.command(
        "serve", engine, "--discovery-backend", "file", *options, env=env or {}
    )
    process.wait_for_line(SERVING)
    folder = launcher.folder / "discovery" / "v1" / "mdc"
    [record] = (path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Any] = json.loads(record.read_text())["card_json"]
    assert process.terminate() == 0
    return found


def at(card: Any, path: str) -> Any:
    """The value at a path of keys; null where there is none, as for who reads the card."""
    for key in path.split("."):
        card = (card or {}).get(key)
    return card


def test_section_6_the_card_has_all_that_engine_and_operator_set(
    launcher: Launcher, model_folder: str
) -> None:
    template = launcher.folder / "own.jinja"
    template.write_text("{% for message in messages %}{{ message.content }}{% endfor %}")
    found = card(
        launcher,
        "cards:Full",
        *("--model-name", model_folder),
        *("--served-model-name", "operators"),
        *("--endpoint-types", "chat"),
        *("--custom-jinja-template", str(template)),
        *("--tool-call-parser", "hermes"),
        *("--reasoning-parser", "qwen3"),
        "--no-exclude-tools-when-tool-choice-none",
        "--no-enable-local-indexer",
        *("--structural-tag-mode", "on"),
        *("--structural-tag-scope", "always"),
        *("--structural-tag-schema", "strict"),
        *("--default-thinking-mode", "disabled"),
        *("--kv-state-endpoint", "dynamo.kv.events"),
    )
    assert {path: at(found, path) for path in SET} == SET
    # Not the folder: the same files are the same model wherever they lie.
    assert found["source_path"] == "operators"
    assert at(found, "chat_template_file.hf_chat_template.file.path") == str(template)


def test_the_card_has_every_key_of_structural_tags(launcher: Launcher, model_folder: str) -> None:
    options = [
        *("--model-name", model_folder),
        *("--tool-call-parser", "qwen3_coder"),
        *("--structural-tag-mode", "on"),
        "--structural-tag-with-structured-output",
        "--no-structural-tag-exclude-special-tokens",
        *("--structural-tag-reasoning-boundary", "StructuralTag"),
        "--structural-tag-arguments-any-order",
    ]
    # A frontend would not take them otherwise, which is told before the engine starts.
    refused = launcher.command("serve", "cards:Full", "--discovery-backend", "mem", *options)
    assert refused.wait() == 1
    assert "requires DYN_PARSER_VERSION=2" in refused.stderr
    found = card(launcher, "cards:Full", *options, env={"DYN_PARSER_VERSION": "2"})
    assert at(found, "runtime_config.structural_tag") == {
        "scope": "auto",
        "schema": "auto",
        "allow_tool_calls_with_structured_output": True,
        "exclude_special_tokens": False,
        "reasoning_boundary": "structural_tag",
        "tool_arguments_any_order": True,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--default-thinking-mode", "on"), "accepted: enabled, disabled"),
        (("--kv-state-endpoint", "events"), "accepted: NAMESPACE.COMPONENT.ENDPOINT"),
    ],
)
def test_what_the_card_cannot_have_is_told(
    launcher: Launcher, options: tuple[str, ...], message: str
) -> None:
    process = launcher.command("serve", "cards:Bare", "--discovery-backend", "file", *options)
    assert process.wait() in (1, 2)
    assert message in process.stderr
    assert "Traceback" not in process.stderr


def test_section_6_what_is_unset_is_not_advertised(launcher: Launcher) -> None:
    found = card(launcher, "cards:Bare")
    assert {path: at(found, path) for path in UNSET} == UNSET


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("prefill", ("Prefill", "prefill", [["decode"]], True)),
        ("decode", ("Chat | Completions", "decode", [["prefill"]], True)),
    ],
)
def test_section_6_the_mode_decides_type_and_peers_and_not_the_indexer(
    launcher: Launcher, mode: str, expected: tuple[object, ...]
) -> None:
    found = card(launcher, "cards:Full", "--disaggregation-mode", mode)
    indexer = at(found, "runtime_config.enable_local_indexer")
    told = (found["model_type"], found["worker_type"], found["needs"], indexer)
    assert told == expected


def test_labels_of_the_operator_are_on_the_endpoints_metrics(
    launcher: Launcher, model_folder: str
) -> None:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        "cards:Full",
        *("--model-name", model_folder),
        env={"DYN_SYSTEM_PORT": str(system.port), "DYN_METRICS_LABELS": "zone=north,rack=7"},
    )
    assert server.api.complete(PROMPT).status == 200
    [(labels, count)] = samples(system.get("/metrics").text, "dynamo_component_requests_total")
    assert (labels["zone"], labels["rack"], count) == ("north", "7", 1)
