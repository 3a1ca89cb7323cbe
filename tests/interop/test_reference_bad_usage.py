"""What is no engine of dynamo.common.backend, or half one: said in one line, with status 2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.reference import SAMPLE, paths, start

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend

MODEL = ("--model-name", "nowhere")


def serve(launcher: Launcher, engine: str, *arguments: str) -> Process:
    return start(launcher, "serve", "--reference", engine, "--", *arguments)


def refused(process: Process, *said: str, status: int = 2) -> None:
    """Ends with this status and the one line of an error, which says all that."""
    assert process.wait() == status, process.output
    [line] = process.stderr.splitlines()
    assert line.startswith("dynamo-backend: error: ")
    for part in said:
        assert part in line


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("HalfOurs", ["HalfOurs", "setup_metrics", "port all of it, or none"]),
        ("Controls", ["supported_controls of Controls", "'async'"]),
        ("Plain", ["Plain is not derived from LLMEngine or RawEngine of dynamo.common.backend"]),
        ("NotAwaited", ["from_args of 'referenced:NotAwaited' returned tuple", "a coroutine"]),
        ("NoPair", ["from_args of 'referenced:NoPair' returned NoPair", "(engine, WorkerConfig)"]),
        ("OurConfig", ["that of dynamo_backend_common", "the WorkerConfig of dynamo.common"]),
        ("Nosuch", ["'referenced' has no attribute 'Nosuch'"]),
        ("RAISED", ["'referenced:RAISED' has no classmethod from_args"]),
    ],
)
def test_a_shape_that_is_not_theirs(launcher: Launcher, engine: str, said: list[str]) -> None:
    refused(serve(launcher, f"referenced:{engine}", *MODEL), *said)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kv_state_endpoint": "a"}, "kv_state_endpoint: 'a' is no endpoint"),
        ({"response_plane": "mail"}, "the engine's WorkerConfig: response_plane: 'mail'"),
        ({"structural_tag": {"scpoe": "always"}}, "structural_tag: scpoe is unknown"),
        ({"structural_tag": {"scope": "now"}}, "the engine's WorkerConfig: structural_tag_scope"),
    ],
)
def test_a_field_that_is_not_here(launcher: Launcher, fields: object, said: str) -> None:
    refused(serve(launcher, "referenced:Told", *MODEL, "--fields", json.dumps(fields)), said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reference", "echo"], "with --reference write module:class"),
        (["-m", "referenced_main"], "-m: it goes with --reference"),
        (["--reference", "referenced:Told", "-m", "main"], "-m: give that, or the engine"),
        (["--reference", "--check", "-m", "referenced_main"], "--check: what a program serves"),
        (["--reference", SAMPLE, "--namespace", "mine"], "--namespace: with --reference"),
        (["--reference", SAMPLE, "--discovery-backend", "mem"], "--discovery-backend: with"),
        (["--reference", "nosuch:Engine"], "no module named 'nosuch'"),
        (["referenced:Told"], "serve it with --reference"),
    ],
)
def test_options_that_do_not_go_together(
    launcher: Launcher, arguments: list[str], said: str
) -> None:
    refused(start(launcher, "serve", *arguments), said)


def test_a_file_has_no_field_of_theirs(launcher: Launcher) -> None:
    path = launcher.folder / "worker.toml"
    path.write_text('component = "mine"\n')
    refused(
        start(launcher, "serve", "--reference", SAMPLE, "--config", str(path)),
        f"{path}: component: with --reference",
    )


def test_an_engine_ends_as_its_own_parser_wants(launcher: Launcher) -> None:
    assert serve(launcher, "referenced:Exits").wait() == 7
    helped = serve(launcher, "referenced:Told", "--help")
    assert helped.wait() == 0
    assert "--model-name" in helped.stdout
    without = serve(launcher, "referenced:Told")
    assert without.wait() == 2
    assert "referenced: error: the following arguments are required" in without.stderr
    assert "Traceback" not in without.output


@pytest.mark.parametrize(
    ("engine", "shown", "said"),
    [
        ("Broken", "KeyError: 'layers'", "cannot be made: KeyError: 'layers'"),
        ("NotFound", "InvalidArgument: the folder is not there", "the folder is not there"),
        ("NotMade", "TypeError: Can't instantiate", "cannot be made: TypeError"),
    ],
)
def test_what_it_raises_is_shown_with_its_traceback(
    launcher: Launcher, engine: str, shown: str, said: str
) -> None:
    process = serve(launcher, f"referenced:{engine}")
    assert process.wait() == 1
    assert shown in process.stderr
    assert 'referenced.py", line' in process.stderr
    assert "dynamo_backend_common/" not in process.stderr
    last = process.stderr.splitlines()[-1]
    assert last.startswith(f"dynamo-backend: error: engine 'referenced:{engine}'")
    assert said in last


@pytest.mark.parametrize(
    ("how", "said"),
    [("raise", "there is no such model"), ("ours", "the EngineConfig of dynamo_backend_common")],
)
def test_a_start_that_fails(launcher: Launcher, model_folder: str, how: str, said: str) -> None:
    process = serve(launcher, "referenced:Told", "--model-name", model_folder, "--in-start", how)
    assert process.wait() == 1
    assert said in process.stderr.splitlines()[-1]
    assert launcher.latches.is_reached("cleanup")
    if how == "raise":
        assert 'referenced.py", line' in process.stderr


def test_a_generate_that_is_not_asynchronous(launcher: Launcher) -> None:
    process = start(launcher, "check", "--reference", "referenced:Blocking", "--", *MODEL)
    assert process.wait() == 1
    assert "Blocking.generate returned a value of type generator" in process.stdout


def test_ai_dynamo_that_is_not_there(launcher: Launcher) -> None:
    refused(
        launcher.command("serve", "--reference", SAMPLE),
        "the package ai-dynamo is not installed",
        "pip install 'ai-dynamo==1.6.1'",
    )


def test_ai_dynamo_of_another_release(launcher: Launcher) -> None:
    env = paths(launcher.folder)
    folder = launcher.folder / "older" / "ai_dynamo-1.5.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ai-dynamo\nVersion: 1.5.0\n")
    env["PYTHONPATH"] = f"{folder.parent}:{env['PYTHONPATH']}"
    refused(
        start(launcher, "serve", "--reference", SAMPLE, env=env),
        "ai-dynamo 1.5.0 is installed, and this package is for 1.6.1",
    )


def test_the_kit_checks_an_engine_of_theirs(launcher: Launcher) -> None:
    process = start(
        launcher,
        *["check", "--reference", "--requests", "20", SAMPLE, "--"],
        *["--model-name", "sample", "--delay", "0"],
    )
    status = process.wait()
    counted = process.stdout.splitlines()[-1]
    assert counted.startswith("SampleLLMEngine: ")
    assert status == 0, process.output


def test_a_configuration_is_looked_at_without_a_worker(launcher: Launcher) -> None:
    process = start(
        launcher,
        *["serve", "--reference", SAMPLE, "--check", "--max-concurrent-requests", "7", "--"],
        *["--namespace", "theirs"],
    )
    assert process.wait() == 0
    shown = {line.partition(" = ")[0]: line for line in process.stdout.splitlines()}
    assert shown["namespace"].split("#")[0].strip() == 'namespace = "theirs"'
    assert shown["namespace"].endswith("# engine")
    assert shown["max_concurrent_requests"].endswith("# option --max-concurrent-requests")
