"""Section 12.6 to 12.8 and 12.11: the system server's probes, metrics, port and workers."""

import re
import signal

import pytest

from support.launcher import Launcher
from support.processes import until
from support.system import SERVING, System, becomes_ready, instances, serve

SAMPLE = re.compile(
    r'(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*(\{([^"}]|"([^"\\]|\\.)*")*\})?) \S+( \d+)?'
)


def exposition(system: System) -> tuple[dict[str, str], list[str]]:
    """The types and the series of ``/metrics``, which must be a valid text."""
    answer = system.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    types: dict[str, str] = {}
    helps: list[str] = []
    series: list[str] = []
    for line in answer.text.splitlines():
        match line.split(" ", 3):
            case ["#", "TYPE", name, kind]:
                assert name not in types, f"two types of {name}"
                types[name] = kind
            case ["#", "HELP", name, *_]:
                assert name not in helps, f"two helps of {name}"
                helps.append(name)
            case _:
                sample = SAMPLE.fullmatch(line)
                assert sample, f"no sample: {line!r}"
                series.append(sample["series"])
    assert sorted(series) == sorted(set(series)), "a series comes twice"
    return types, series


def workers(system: System) -> dict[str, str]:
    """Why each worker is not ready, by its path; empty for one that is."""
    return {
        worker["endpoint"]: worker.get("reason", "") for worker in system.health()[1]["workers"]
    }


def test_section_12_8_live_and_health_from_before_the_start_to_the_end(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    system = System(port)
    process = launcher.command(
        "serve",
        "controlled:SlowBothWays",
        "--discovery-backend",
        "file",
        env={"DYN_SYSTEM_PORT": str(port)},
    )
    launcher.latches.reached("start")
    assert system.is_live()
    assert system.health()[0] == 503
    assert workers(system) == {"dynamo.backend.generate": "the worker does not serve yet"}
    refused = system.control("sleep")
    assert (refused.status, refused.json["status"]) == (200, "error")
    assert "does not serve yet" in refused.json["message"]

    launcher.latches.release("start-go")
    process.wait_for_line(SERVING)
    status, health = system.health()
    assert (status, health["status"]) == (200, "ready")
    assert health["uptime"] > 0

    process.send(signal.SIGTERM)
    launcher.latches.reached("drain")
    assert system.is_live()
    assert workers(system) == {"dynamo.backend.generate": "the worker is shutting down"}
    exposition(system)
    launcher.latches.release("drain-go")
    launcher.latches.reached("cleanup")
    assert system.is_live()
    _, series = exposition(system)
    assert any(name.startswith("dynamo_component_drain_time_seconds") for name in series)
    launcher.latches.release("cleanup-go")
    assert process.wait() == 0
    assert not system.listens()


def test_section_12_8_a_worker_that_sleeps_is_live_and_not_ready(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    assert system.is_ready()
    assert system.control("sleep").status == 200
    assert system.is_live()
    status, health = system.health()
    assert (status, health["status"]) == (503, "notready")
    assert "control" in health["workers"][0]["reason"]
    for path in ("/engine/control/sleep", "/engine/sleep", "/engine/wake_up"):
        assert system.get(path).status == 405
    assert system.is_live()
    assert instances(launcher) == []
    assert system.control("wake_up").status == 200
    assert system.is_ready()


def test_the_metrics_are_one_valid_text(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    types, series = exposition(system)
    assert types["dynamo_component_model_load_time_seconds"] == "gauge"
    [load_time] = [name for name in series if name.startswith("dynamo_component_model_load_time")]
    assert 'dynamo_endpoint="generate"' in load_time


def test_paths_of_the_probes_are_the_operators(launcher: Launcher) -> None:
    env = {"DYN_SYSTEM_LIVE_PATH": "/livez", "DYN_SYSTEM_HEALTH_PATH": "/{ready}"}
    _, system = serve(launcher, "controlled:Sleeper", env=env)
    assert system.get("/livez").status == 200
    # A path is what is asked for, letter by letter.
    assert system.get("/{ready}").status == 200
    assert system.get("/anything").status == 404
    assert system.get("/%7Bready%7D").status == 404
    assert system.get("/live").status == 404
    assert system.request("POST", "/livez").status == 405
    assert system.get("/anything/else").status == 404


def test_no_port_is_no_server(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper", env={"DYN_SYSTEM_PORT": ""})
    assert not system.listens()
    assert "System server" not in process.stderr


def test_port_0_is_any_free_one(launcher: Launcher) -> None:
    process, _ = serve(launcher, "controlled:Sleeper", env={"DYN_SYSTEM_PORT": "0"})
    url = process.wait_for_line(r"System server on http://127\.0\.0\.1:(\d+)")
    system = System(int(url.group(1)))
    becomes_ready(system)


def test_a_port_in_use_is_told_before_anything_is_started(launcher: Launcher) -> None:
    port = launcher.ports.occupy()
    process = launcher.command(
        "serve",
        "controlled:Sleeper",
        "--discovery-backend",
        "file",
        env={"DYN_SYSTEM_PORT": str(port)},
    )
    assert process.wait() == 1
    for part in (f"127.0.0.1:{port}", "DYN_SYSTEM_PORT", "DYN_SYSTEM_HOST", "in use"):
        assert part in process.stderr, process.stderr
    assert not launcher.latches.is_reached("start")
    assert not launcher.latches.is_reached("cleanup")


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("http", "is no whole number"),
        ("65536", "is not accepted; accepted: 0 to 65535"),
        ("9.5", "is no whole number"),
    ],
)
def test_a_port_that_is_none_is_wrong_usage(launcher: Launcher, port: str, why: str) -> None:
    options = ("serve", "controlled:Sleeper", "--discovery-backend", "mem")
    for place, process in (
        ("DYN_SYSTEM_PORT", launcher.command(*options, env={"DYN_SYSTEM_PORT": port})),
        ("--system-port", launcher.command(*options, "--system-port", port)),
    ):
        assert process.wait() == 2
        assert re.search(f"error: {place}: '?{port}'? {why}", process.stderr), process.stderr
    assert not launcher.latches.is_reached("start")


def test_a_program_is_told_which_ports_its_variable_may_have(launcher: Launcher) -> None:
    program = launcher.script("canary_runs", env={"DYN_SYSTEM_PORT": "http"})
    assert program.wait() == 1
    assert "InvalidArgument: DYN_SYSTEM_PORT is 'http', which is no port; acc" in program.stderr
    assert "0 to 65535" in program.stderr


def test_two_workers_share_the_server_until_the_last_is_gone(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    system = System(port)
    program = launcher.script("at_once", env={"DYN_SYSTEM_PORT": str(port)})
    left, right = "dynamo.backend.left", "dynamo.backend.right"
    for endpoint in ("left", "right"):
        program.wait_for_line(f"serving {endpoint}")
    until(lambda: workers(system) == {left: "", right: ""}, "both are ready")

    _, series = exposition(system)
    load_times = [name for name in series if name.startswith("dynamo_component_model_load_time")]
    assert len(load_times) == 2

    ambiguous = system.control("sleep")
    assert ambiguous.status == 409
    for path in (f"/engine/{left}/sleep", f"/engine/{right}/sleep"):
        assert path in ambiguous.json["message"]
    assert system.control(f"{right}/sleep").status == 200
    assert system.health()[0] == 503
    assert {path: bool(why) for path, why in workers(system).items()} == {left: False, right: True}
    assert system.control(f"control/{left}/state").json["asleep"] is False

    launcher.latches.release("left-goes")
    program.wait_for_line("stopped left")
    assert system.is_live()
    assert list(workers(system)) == [right]
    assert system.control("wake_up").status == 200
    becomes_ready(system)

    launcher.latches.release("right-goes")
    assert program.wait() == 0
    assert not system.listens()


def test_section_12_11_runs_one_after_the_other_follow_the_variable(launcher: Launcher) -> None:
    first, second, third = (launcher.ports.reserve() for _ in range(3))
    program = launcher.script(
        "other_ports", str(second), str(third), env={"DYN_SYSTEM_PORT": str(first)}
    )
    for number, port in enumerate([first, second, second, third, None], start=1):
        program.wait_for_line(f"run {number} serves")
        for candidate in (first, second, third):
            assert System(candidate).listens() == (candidate == port)
        if port is not None:
            becomes_ready(System(port))
        launcher.latches.release(str(number))
    assert program.wait() == 0
    assert program.stdout.count("refuses True") == 4
    assert "refuses False" not in program.stdout
