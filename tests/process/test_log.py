"""The log of the Rust side: through the program's ``logging`` where it has one, and complete."""

import json
import logging
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import pytest

from dynamo_backend_common import WorkerState
from support.api import Api, text_of, wait_for_model
from support.environment import environment
from support.launcher import ENGINES, SUPPORT, Launcher
from support.processes import PATIENCE, Process, until

OURS = "dynamo_backend_common.rust."
ECHO = "dynamo_backend_common.engines.echo:Echo"
PROMPT = "alpha beta gamma"


def start(
    launcher: Launcher, how: str, engine: str, model_folder: str, **env: str
) -> tuple[Process, Api]:
    port = launcher.ports.reserve()
    program = launcher.script("embedded", how, engine, str(port), model_folder, env=env)
    program.wait_for_line("^state Serving")
    return program, Api(port)


def records(program: Process) -> list[dict[str, Any]]:
    lines = program.stdout.splitlines()
    return [json.loads(line.removeprefix("record ")) for line in lines if line[:7] == "record "]


def messages(program: Process) -> list[str]:
    return [record["message"] for record in records(program)]


def flood(api: Api) -> None:
    """More log than is kept, of a Rust engine, which needs no loop to answer."""
    for _ in range(400):
        assert text_of(api.complete(PROMPT).json).strip() == PROMPT


@pytest.mark.parametrize("how", ["serve", "run"])
def test_section_3_transitions_are_records_of_pythons_logging(
    launcher: Launcher, model_folder: str, how: str
) -> None:
    began = time.time()
    program, _ = start(launcher, how, "plain:Plain", model_folder)
    assert program.terminate() == 0
    ended = time.time()

    observed = [record for record in records(program) if ".run." in record["name"]]
    told = [record["message"] for record in observed]
    wanted = [f'Worker state state="{state}"' for state in WorkerState if state != "Init"]
    wanted.insert(3, "Serving plain on dynamo.backend.generate")
    assert [message for message in told if message in wanted] == wanted
    for record in observed:
        module = record["name"].removeprefix(OURS + "dynamo_backend_worker.run.")
        assert (record["levelname"], record["levelno"]) == ("INFO", logging.INFO)
        assert began <= record["created"] <= ended
        assert record["msecs"] == pytest.approx(record["created"] % 1 * 1000)
        assert record["threadName"] == "dynamo-tokio"
        assert record["pathname"].endswith(f"run/{module}.rs")
        assert record["lineno"] > 0
    # `created` is the event's own time: in order, as the events were.
    times = [record["created"] for record in observed]
    assert times == sorted(times)
    # Nothing is told twice.
    assert "Worker state" not in program.stderr


def test_section_3_fields_of_an_event_are_values_by_name(
    launcher: Launcher, model_folder: str
) -> None:
    program, _ = start(launcher, "serve", "plain:Plain", model_folder)
    assert program.terminate() == 0
    by_text = {record["message"].split(" ")[0]: record["fields"] for record in records(program)}
    assert by_text["Engine"]["engine"] == "Plain"
    assert isinstance(by_text["Engine"]["secs"], float)
    states = [r["fields"] for r in records(program) if r["message"].startswith("Worker state")]
    assert states == [{"state": state} for state in WorkerState if state != "Init"]


@pytest.mark.parametrize(
    ("engine", "message", "level"),
    [
        ("DrainRaises", "the drain failed", logging.WARNING),
        ("CleanupRaises", "the cleanup failed", logging.ERROR),
    ],
)
def test_section_5_failures_have_their_level(
    launcher: Launcher, model_folder: str, engine: str, message: str, level: int
) -> None:
    program, _ = start(launcher, "serve", f"lifecycles:{engine}", model_folder)
    assert program.terminate() == 0
    [failed] = [
        record
        for record in records(program)
        if message in record["message"] and record["name"].startswith(OURS)
    ]
    assert failed["levelno"] == level


def test_a_record_knows_its_request(launcher: Launcher, model_folder: str) -> None:
    engine = "lifecycles:TellsItsRequest"
    program, api = start(launcher, "serve", engine, model_folder, DYN_LOG="debug")
    assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    assert program.terminate() == 0
    request = launcher.latches.reached("request")
    assert request in {record["request_id"] for record in records(program)}
    levels = {(record["levelname"], record["levelno"]) for record in records(program)}
    assert ("DEBUG", logging.DEBUG) in levels


def test_a_program_without_a_log_gets_dynamos_own(launcher: Launcher, model_folder: str) -> None:
    program, _ = start(launcher, "run-unconfigured", "plain:Plain", model_folder)
    assert program.terminate() == 0
    assert records(program) == []
    assert program.stderr.count("Worker state") == 6


def test_section_12_11_two_runs_in_one_process_are_both_logged(
    launcher: Launcher, model_folder: str
) -> None:
    program, _ = start(launcher, "twice", "plain:Plain", model_folder)
    program.send(signal.SIGTERM)
    program.wait_for_line("^returned")
    until(lambda: program.stdout.count("state Serving") == 2, "the second run serves")
    assert program.terminate() == 0
    assert messages(program).count("Serving plain on dynamo.backend.generate") == 2
    assert messages(program).count('Worker state state="Stopped"') == 2
    # What the worker logged is printed before the run returns to its caller; tasks of the runtime's
    # may have a last word after it.
    lines = program.stdout.splitlines()
    stopped = [place for place, line in enumerate(lines) if "Stopped" in line and "record" in line]
    assert stopped[-1] < len(lines) - 1 - lines[::-1].index("returned")


def test_what_no_logger_takes_is_left_out_until_one_does(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = start(launcher, "quiet", "plain:Plain", model_folder)
    assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    assert [record for record in records(program) if record["levelno"] < logging.WARNING] == []
    launcher.latches.release("loud")
    launcher.latches.reached("is-loud")

    def told() -> bool:
        api.models()
        return any("http response sent" in message for message in messages(program))

    until(told, "a record after the level was lowered")
    assert program.terminate() == 0
    assert 'Worker state state="Stopped"' in messages(program)


def test_section_5_the_deadline_leaves_what_python_did_not_take_on_stderr(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = start(
        launcher,
        "serve",
        "stuck:GenerateHoldsTheGil",
        model_folder,
        DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="6",
    )
    [model] = api.models()
    with closing(api.hang_up("completions", api.body_of_completion(PROMPT, model=model))):
        launcher.latches.reached("generating")
        # Python logs nothing any more: it stands in `generate`.
        stood_still = time.time()
        for _ in range(20):
            api.models()
        program.send(signal.SIGTERM)
        assert program.wait() == 143

    assert all(record["created"] < stood_still for record in records(program))
    *left, words = program.stderr.splitlines()
    assert "code 911" in words
    answered = [line for line in left if 'http response sent status="200"' in line]
    assert len(answered) == 20
    assert all("INFO" in line for line in answered)
    begun = [line for line in left if "Shutdown stage begins" in line]
    assert [line.split('stage="')[1].split('"')[0] for line in begun[:3]] == [
        *("unregister", "grace", "wait")
    ]


def test_section_5_the_last_words_find_room_though_nobody_reads_the_log(
    launcher: Launcher, model_folder: str
) -> None:
    api = Api(launcher.ports.reserve())
    command = [sys.executable, str(SUPPORT / "scripts" / "embedded.py")]
    env = {
        "PYTHONPATH": str(ENGINES),
        "DYN_LOG": "trace",
        "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "1",
    }
    with subprocess.Popen(
        [*command, "flooded", ECHO, str(api.port), model_folder],
        env=environment(launcher.folder) | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as program:
        try:
            wait_for_model(api)
            flood(api)
            program.terminate()
            # Only now somebody reads standard error: what a full pipe had no room for is gone.
            assert program.wait(PATIENCE) == 143
            assert program.stderr is not None
            *left, words = program.stderr.read().decode().splitlines()
        finally:
            program.kill()
    assert "code 911" in words
    assert any("TRACE" in line for line in left)


def test_a_flood_is_counted_and_the_loss_is_told_not_line_by_line(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = start(launcher, "flooded", ECHO, model_folder, DYN_LOG="trace")
    flood(api)
    launcher.latches.release("go")
    program.wait_for_line("records of the Rust side were lost")
    assert program.terminate() == 0
    losses = [record for record in records(program) if "lost" in record["message"]]
    # While the flood is handed over, what comes beside it may be lost too, and told.
    assert {record["levelno"] for record in losses} == {logging.WARNING}
    assert all(record["fields"]["lost"] > 0 for record in losses)
    assert len(losses) < 10
    assert "TRACE" in {record["levelname"] for record in records(program)}
    # What came after the flood was not lost.
    assert 'Worker state state="Stopped"' in messages(program)


def test_a_program_that_leaves_its_worker_behind_ends_cleanly_with_its_log(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = start(launcher, "thread", "plain:Plain", model_folder, DYN_LOG="debug")
    assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    launcher.latches.reached("handling")
    launcher.latches.release("leave")
    assert program.wait() == 0
    assert "Fatal Python error" not in program.stderr
    assert "Serving plain on dynamo.backend.generate" in messages(program)


@pytest.mark.parametrize("engine", ["ForksInStart", "MultiprocessesInStart"])
def test_a_forked_child_logs_nothing_of_its_parents(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    program, _ = start(launcher, "serve", f"children:{engine}", model_folder)
    assert launcher.latches.is_reached("child-ended")
    assert program.terminate() == 0
    told = messages(program)
    assert len([message for message in told if message.startswith("Worker state")]) == 6
    assert told.count("Serving plain on dynamo.backend.generate") == 1
