"""Every line of a request tells which one, whether Rust logs it or the engine, as JSON too."""

import json
from typing import Any

import pytest

from support.api import Api, case
from support.collector import Collector
from support.launcher import Launcher
from support.processes import Process, until

PROMPT = "alpha beta gamma"
ENGINE = "traced_engine"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def told(launcher: Launcher, case: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(launcher.latches.reached(f"trace-{case}"))
    return answer


def run_own(launcher: Launcher, model_folder: str, how: str, **env: str) -> tuple[Process, Api]:
    """A program that runs a worker, with the command line or without."""
    if how == "command":
        server = launcher.serve("traced:Traced", "--model-name", model_folder, env=env)
        return server.process, Api(server.api.port, HEADERS)
    port = launcher.ports.reserve()
    program = launcher.script(
        "embedded", "run-unconfigured", "traced:Traced", str(port), model_folder, env=env
    )
    program.wait_for_line("^state Serving")
    return program, Api(port, HEADERS)


@pytest.mark.parametrize("how", ["command", "run"])
def test_json_lines_of_both_sides_know_the_request(
    launcher: Launcher, model_folder: str, how: str
) -> None:
    program, api = run_own(launcher, model_folder, how, DYN_LOGGING_JSONL="1")
    assert api.complete(PROMPT).status == 200
    assert program.terminate() == 0
    # All that is written there is JSON, with the same keys in all lines.
    lines = [json.loads(line) for line in program.stderr.splitlines()]
    for line in lines:
        assert {"time", "level", "target", "message", "file", "line"} <= line.keys()

    request = told(launcher)
    assert request["trace_id"] == TRACE
    own = [line for line in lines if line["target"] == ENGINE]
    assert [(line["level"], line["message"]) for line in own] == [
        ("INFO", "begins"),
        ("WARN", "works"),
        ("INFO", "ends"),
    ]
    assert own[2]["tokens"] == 3
    of_runtime = [line for line in lines if line["target"].endswith("ingress::push_handler")]
    assert len(of_runtime) == 2
    for line in own + of_runtime:
        assert (line["request_id"], line["trace_id"]) == (request["id"], TRACE)
    assert own[0]["time"].endswith("Z")


@pytest.mark.parametrize("jsonl", ["", "1"], ids=["readable", "jsonl"])
def test_what_is_said_of_a_failure_knows_the_request(
    launcher: Launcher, model_folder: str, jsonl: str
) -> None:
    program, api = run_own(launcher, model_folder, "command", DYN_LOGGING_JSONL=jsonl)
    assert api.complete(PROMPT, **case("raises")).status == 500
    assert program.terminate() == 0
    request = told(launcher, "raises")
    [line] = [line for line in program.stderr.splitlines() if "Traced failed" in line]
    if jsonl:
        record = json.loads(line)
        assert (record["level"], record["request_id"]) == ("ERROR", request["id"])
        # The traceback is in the line.
        assert record["exception"].endswith("RuntimeError: broken")
    else:
        assert f"request_id={request['id']}" in line
        assert "RuntimeError: broken" in program.stderr


def test_an_abort_knows_its_request(launcher: Launcher, model_folder: str) -> None:
    program, api = run_own(launcher, model_folder, "command")
    with api.stream_completion(PROMPT, **case("waits")) as stream:
        stream.first_text()
        stream.leave()
    line = program.wait_for_line("traced_engine: aborts").string
    assert f"request_id={told(launcher, 'waits')['id']}" in line


def test_a_synchronous_engine_knows_its_request(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("traced:InThreads", "--model-name", model_folder)
    assert server.api.complete(PROMPT).status == 200
    line = server.process.wait_for_line("traced_engine: begins").string
    until(lambda: "request completed request_id=" in server.process.output, "the runtime's line")
    of_runtime = server.process.wait_for_line(r"request received request_id=(\S+)").group(1)
    assert f"request_id={of_runtime}" in line


@pytest.mark.parametrize(("asked", "shown"), [("warn", ["works"]), ("off", [])])
def test_dyn_log_says_how_much_an_engine_tells(
    launcher: Launcher, model_folder: str, asked: str, shown: list[str]
) -> None:
    program, api = run_own(launcher, model_folder, "run", DYN_LOG=asked)
    assert api.complete(PROMPT).status == 200
    assert program.terminate() == 0
    lines = [line for line in program.stderr.splitlines() if f" {ENGINE}: " in line]
    assert [line.split(f" {ENGINE}: ")[1].split()[0] for line in lines] == shown


@pytest.mark.parametrize("traced", [False, True])
def test_records_of_a_program_with_a_log_know_the_request(
    launcher: Launcher, model_folder: str, traced: bool
) -> None:
    with Collector() as collector:
        env = collector.env if traced else {}
        port = launcher.ports.reserve()
        program = launcher.script(
            "embedded", "filtered", "traced:Traced", str(port), model_folder, env=env
        )
        program.wait_for_line("^state Serving")
        assert Api(port, HEADERS).complete(PROMPT).status == 200
        assert program.terminate() == 0
    lines = [line for line in program.stdout.splitlines() if line[:7] == "record "]
    records = [json.loads(line.removeprefix("record ")) for line in lines]
    request = told(launcher)
    own = [record for record in records if record["name"] == ENGINE]
    assert [record["message"] for record in own] == ["begins", "works", "ends"]
    for record in own:
        assert (record["request_id"], record["trace_id"]) == (request["id"], request["trace_id"])
    rust = [record for record in records if record["name"].endswith("ingress.push_handler")]
    assert len(rust) == 2
    assert {record["request_id"] for record in rust} == {request["id"]}
    if traced:
        assert {record["trace_id"] for record in [*own, *rust]} == {TRACE}
    # What belongs to no request says so.
    [stopped] = [record for record in records if record["message"].endswith('state="Stopped"')]
    assert (stopped["request_id"], stopped["trace_id"]) == (None, None)
