"""What a user can mistype: one line that says what was given and what is accepted, and a status."""

import re

import pytest

from support.launcher import Launcher

CASES = [
    pytest.param(
        ["nosuch"], ["unknown engine 'nosuch'", "echo", "llama-cpp", "module:attribute"], id="name"
    ),
    pytest.param(["llama"], ["unknown engine 'llama'", "llama-cpp"], id="name-hint"),
    pytest.param(["nosuch:Engine"], ["no module named 'nosuch'"], id="module"),
    pytest.param(["plain:Plane"], ["'plain'", "no attribute 'Plane'", "Plain"], id="attribute"),
    pytest.param(["plain:WithoutGenerate"], ["WithoutGenerate", "generate"], id="no-generate"),
    pytest.param(
        ["echo", "--discovery-backend", "etdc"],
        ["--discovery-backend", "'etdc'", "etcd", "kubernetes", "file", "mem"],
        id="discovery-backend",
    ),
    pytest.param(
        ["echo", "--request-plane", "udp"],
        ["--request-plane", "'udp'", "tcp", "nats"],
        id="request-plane",
    ),
    pytest.param(
        ["echo", "--response-plane", "udp"],
        ["--response-plane", "'udp'", "tcp", "quic"],
        id="response-plane",
    ),
    pytest.param(
        ["echo", "--event-plane", "mail"],
        ["--event-plane", "'mail'", "nats", "zmq"],
        id="event-plane",
    ),
    pytest.param(
        ["echo", "--endpoint-types", "chat,speech"],
        ["--endpoint-types", "'speech' is unknown", "accepted: chat, completions"],
        id="endpoint-types",
    ),
    pytest.param(
        ["echo", "--endpoint-types", "chat,embedding"],
        ["--endpoint-types", "'embedding' cannot be served", "chat, completions"],
        id="embedding",
    ),
    pytest.param(
        ["echo", "--endpoint-types", "prefill"],
        ["--endpoint-types", "'prefill' is a worker's disaggregation_mode"],
        id="endpoint-type-prefill",
    ),
    pytest.param(
        ["echo", "--endpoint-types", "Embeddings"],
        ["--endpoint-types", "'Embeddings' cannot be served"],
        id="embeddings",
    ),
    pytest.param(
        ["echo", "--endpoint-types", "tensor"],
        ["--endpoint-types", "'tensor' cannot be served"],
        id="tensor",
    ),
    pytest.param(
        ["echo", "--endpoint-types", " , "], ["--endpoint-types", "chat"], id="no-endpoint-type"
    ),
    pytest.param(
        ["echo", "--disaggregation-mode", "half"],
        ["--disaggregation-mode", "'half'", "Aggregated", "Prefill", "Decode"],
        id="disaggregation-mode",
    ),
    pytest.param(
        ["echo", "--model-input", "Text"], ["--model-input", "'Text'", "Tokens"], id="model-input"
    ),
    pytest.param(
        ["echo", "--model-name", "/no/such/folder"],
        ["--model-name", "no such file or folder", "'/no/such/folder'"],
        id="model-path",
    ),
    pytest.param(
        ["echo", "--custom-jinja-template", "/no/template"],
        ["--custom-jinja-template", "'/no/template'"],
        id="template",
    ),
    pytest.param(["echo", "--http-port", "-1"], ["--http-port", "'-1'", "65535"], id="port"),
    pytest.param(["echo", "--", "--dealy", "1"], ["--dealy"], id="engine-option"),
    pytest.param(
        ["echo", "--log-level", "loud"], ["--log-level", "'loud'", "warn", "off"], id="log-level"
    ),
    pytest.param(
        ["echo", "--log-format", "xml"], ["--log-format", "'xml'", "text", "json"], id="log-format"
    ),
    pytest.param(
        ["echo", "--config", "/no/file"], ["--config", "'/no/file'", "No such file"], id="config"
    ),
    pytest.param(
        ["echo", "--check", "--endpoint-types", "speech"],
        ["--endpoint-types", "'speech' is unknown"],
        id="check",
    ),
]


@pytest.mark.parametrize(("arguments", "parts"), CASES)
def test_a_typo_is_a_usage_error(
    launcher: Launcher, arguments: list[str], parts: list[str]
) -> None:
    process = launcher.command("serve", *arguments)
    assert process.wait() == 2
    message = process.stderr.splitlines()[-1]
    assert "error: " in message
    for part in parts:
        assert part in message
    assert "Traceback" not in process.output
    assert not process.stdout


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("DYN_DISCOVERY_BACKEND", "etdc", ["'etdc'", "etcd", "mem"]),
        ("DYN_DISAGGREGATION_MODE", "half", ["'half'", "Prefill"]),
    ],
)
def test_a_typo_in_the_environment_is_one_too_and_names_the_variable(
    launcher: Launcher, variable: str, value: str, parts: list[str]
) -> None:
    process = launcher.command("serve", "echo", env={variable: value})
    assert process.wait() == 2
    assert len(process.stderr.splitlines()) == 1
    for part in [variable, *parts]:
        assert part in process.stderr


def test_endpoint_types_that_no_engine_makes_are_refused_from_the_environment_too(
    launcher: Launcher,
) -> None:
    process = launcher.command("serve", "echo", env={"DYN_ENDPOINT_TYPES": "chat,tensor"})
    assert process.wait() == 2
    [line] = process.stderr.splitlines()
    assert "DYN_ENDPOINT_TYPES: 'tensor' cannot be served" in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DYN_RUNTIME_NUM_WORKER_THREADS", "many"), ("DYN_SYSTEM_HOST", "[::1]")],
)
def test_a_setting_of_the_runtime_that_cannot_be_read_is_named(
    launcher: Launcher, variable: str, value: str
) -> None:
    options = ["serve", "echo", "--discovery-backend", "mem"]
    process = launcher.command(*options, env={variable: value})
    assert process.wait() == 1
    [line] = [line for line in process.stderr.splitlines() if "error: " in line]
    prefix, _, name = variable.removeprefix("DYN_").partition("_")
    assert f"DYN_{prefix}_" in line
    assert name in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("compnent = 'c'", ["worker.toml", "unknown key 'compnent'", "'component'"]),
        ("http_port = 'x'", ["worker.toml", "http_port", "'x'", "a whole number is needed"]),
        ("endpoint_types = 'speech'", ["worker.toml", "endpoint_types", "'speech' is unknown"]),
        ("max_concurrent_requests = 0", ["worker.toml", "max_concurrent_requests", "0"]),
        ("component", ["worker.toml", "no TOML"]),
    ],
)
def test_a_typo_in_the_file_is_one_too_and_names_file_and_key(
    launcher: Launcher, text: str, parts: list[str]
) -> None:
    file = launcher.folder / "worker.toml"
    file.write_text(text)
    process = launcher.command("serve", "echo", "--config", str(file))
    assert process.wait() == 2
    [line] = process.stderr.splitlines()
    for part in parts:
        assert part in line


def test_a_check_makes_the_engine_and_starts_nothing(launcher: Launcher) -> None:
    file = launcher.folder / "worker.toml"
    options = ("serve", "lifecycles:Recorded", "--check")
    env = {"DYN_COMPONENT": "c", "DYN_SYSTEM_TOKEN": "hidden", "ETCD_ENDPOINTS": "http://u:pw@h:1"}
    first = launcher.command(*options, "--http-port", str(launcher.ports.reserve()), env=env)
    assert first.wait() == 0
    assert not first.stderr
    assert re.search(r'^component = "c" +# variable DYN_COMPONENT$', first.stdout, re.MULTILINE)
    assert re.search(r"^# DYN_SYSTEM_TOKEN = \"\(set\)\"", first.stdout, re.MULTILINE)
    assert "hidden" not in first.output
    assert "pw" not in first.output
    assert not launcher.latches.is_reached("start")
    file.write_text(first.stdout)
    again = launcher.command(*options, "--config", str(file))
    assert again.wait() == 0
    assert re.search(rf'^component = "c" +# file {file}: component$', again.stdout, re.MULTILINE)


@pytest.mark.parametrize("engine", ["nosuch", "broken:Engine"])
def test_a_check_that_fails_is_status_2(launcher: Launcher, engine: str) -> None:
    (launcher.folder / "broken.py").write_text("1 / 0\n")
    process = launcher.command("serve", engine, "--check", cwd=launcher.folder)
    assert process.wait() == 2
    assert process.stderr.splitlines()[-1].startswith("dynamo-backend: error: ")
    assert not process.stdout


def test_a_check_of_a_port_in_use_is_status_2(launcher: Launcher) -> None:
    port = launcher.ports.occupy()
    process = launcher.command("serve", "echo", "--check", "--http-port", str(port))
    assert process.wait() == 2
    assert "in use" in process.stderr


def test_a_port_in_use_is_a_failure(launcher: Launcher) -> None:
    port = launcher.ports.occupy()
    process = launcher.command("serve", "echo", "--http-port", str(port))
    assert process.wait() == 1
    assert len(process.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in process.stderr
    assert "in use" in process.stderr


def test_a_port_in_use_is_told_before_a_library_user_s_engine_starts(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.occupy()
    program = launcher.script("worker", "lifecycles:Recorded", str(port), model_folder)
    assert program.wait() == 0
    raised = program.wait_for_line("^raised (.*)").group(1)
    assert str(port) in raised
    assert not launcher.latches.is_reached("start")


def test_a_model_that_is_neither_here_nor_on_the_hub_is_a_failure(launcher: Launcher) -> None:
    process = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--http-port",
        str(launcher.ports.reserve()),
        "--model-name",
        "nobody-has/this-model",
    )
    assert process.wait() == 1
    message = process.stderr.splitlines()[-1]
    assert "fetch 'nobody-has/this-model'" in message
    assert "Traceback" not in process.output
    assert launcher.latches.is_reached("cleanup")


def test_an_engine_that_cannot_be_imported_shows_the_user_s_own_error(
    launcher: Launcher,
) -> None:
    (launcher.folder / "broken.py").write_text("import json\n\njson.loads('{')\n")
    process = launcher.command("serve", "broken:Engine", cwd=launcher.folder)
    assert process.wait() == 1
    assert "json.loads('{')" in process.stderr
    assert "dynamo_backend_common" not in process.stderr
    assert process.stderr.splitlines()[-1].startswith("dynamo-backend: error: module 'broken'")
