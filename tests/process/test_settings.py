"""Budgets and the system server as a worker has them: by variables, options and arguments."""

import re
import signal

import pytest

from support.launcher import Launcher
from support.processes import all_of, until
from support.system import SERVING, System, becomes_ready

GRACE = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"
TIMEOUT = "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT"
DEFAULT_GRACE = 5.0


def announced(launcher: Launcher, grace: str, timeout: str) -> tuple[float, str]:
    """The deadline of a worker with these settings, and what it wrote until then."""
    process = launcher.command(
        "serve", "echo", "--discovery-backend", "file", env={GRACE: grace, TIMEOUT: timeout}
    )
    process.wait_for_line("^Serving on")
    process.send(signal.SIGTERM)
    deadline = float(process.wait_for_line(r"deadline_secs=([\d.e+]+)").group(1))
    process.kill()
    # What comes after that may be the runtime's own warnings of a shutdown that has begun.
    return deadline, process.output.partition("deadline_secs=")[0]


@pytest.fixture(scope="module")
def default_timeout(shared: Launcher) -> float:
    """The runtime's constant: 5 s in debug builds, 30 s in release."""
    deadline, output = announced(shared, "0", "")
    assert "WARN" not in output
    assert deadline in (5.0, 30.0)
    return deadline


@pytest.mark.parametrize(
    ("grace", "seconds"),
    [
        ("", 5.0),
        ("  ", 5.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (" 1.5\t", 1.5),
        ("-3", 0.0),
        ("86400", 86400.0),
    ],
)
def test_section_5_grace(launcher: Launcher, grace: str, seconds: float) -> None:
    deadline, output = announced(launcher, grace, "1")
    assert deadline == seconds + 1
    assert "WARN" not in output


@pytest.mark.parametrize("grace", ["soon", "inf", "NaN", "86400.5", "5s"])
def test_section_5_a_bad_grace_is_the_default_with_a_warning(
    launcher: Launcher, grace: str
) -> None:
    deadline, output = announced(launcher, grace, "1")
    assert deadline == DEFAULT_GRACE + 1
    warned(output, GRACE, grace)


@pytest.mark.parametrize(("timeout", "seconds"), [("0", 0), ("7", 7), (str(2**64 - 1), 2**64 - 1)])
def test_section_5_timeout(launcher: Launcher, timeout: str, seconds: int) -> None:
    deadline, output = announced(launcher, "0.5", timeout)
    assert deadline == pytest.approx(seconds + 0.5)
    assert "WARN" not in output


@pytest.mark.parametrize("timeout", ["+5", "-1", "2.5", " 7", "1m"])
def test_section_5_a_bad_timeout_is_the_default_with_a_warning(
    launcher: Launcher, default_timeout: float, timeout: str
) -> None:
    deadline, output = announced(launcher, "0", timeout)
    assert deadline == default_timeout
    warned(output, TIMEOUT, timeout)


def warned(output: str, variable: str, value: str) -> None:
    warnings = [line for line in output.splitlines() if "WARN" in line]
    assert any(re.search(all_of(variable, f"'{value}'"), line) for line in warnings), output


def test_a_program_sets_them_by_arguments(launcher: Launcher) -> None:
    system = System(launcher.ports.reserve())
    program = launcher.script("by_arguments", str(system.port), "token")
    for endpoint in ("left", "right"):
        program.wait_for_line(f"{endpoint} Serving")
    assert system.get("/livez").status == 200
    assert system.get("/live").status == 404
    until(lambda: system.health()[0] == 200, "both are ready")
    there = [worker["endpoint"] for worker in system.health()[1]["workers"]]
    assert sorted(there) == ["dynamo.backend.left", "dynamo.backend.right"]
    assert system.get("/engine/dynamo.backend.left/status").status == 401
    authorized = System(system.port, "token")
    assert authorized.get("/engine/dynamo.backend.left/status").status == 200
    program.send(signal.SIGTERM)
    assert program.wait() == 0
    deadlines = re.findall(r"deadline_secs=([\d.]+)", program.output)
    assert {float(seconds) for seconds in deadlines} == {9.0, 7.5}


def test_options_count_before_the_variables(launcher: Launcher) -> None:
    token = launcher.folder / "token"
    token.write_text("s3cret\n")
    system = System(launcher.ports.reserve(), "s3cret")
    options = {
        "--discovery-backend": "file",
        "--grace-period-seconds": "0.25",
        "--shutdown-timeout-seconds": "7",
        "--system-port": str(system.port),
        "--system-host": "lo",
        "--system-token": f"@{token}",
        "--canary-wait-seconds": "1",
    }
    env = {GRACE: "soon", TIMEOUT: "long", "DYN_SYSTEM_PORT": "-1", "DYN_SYSTEM_TOKEN": "other"}
    env |= {"DYN_SYSTEM_HOST": "192.0.2.1", "DYN_HEALTH_CHECK_ENABLED": "often"}
    process = launcher.command(
        "serve",
        "lively:Probed",
        "--health-check-enabled",
        *(part for option in options.items() for part in option),
        env=env,
    )
    process.wait_for_line(SERVING)
    becomes_ready(system)
    assert system.get("/engine/status").status == 200
    assert System(system.port, "other").get("/engine/status").status == 401
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert "deadline_secs=7.25" in process.output
    assert "WARN" not in process.output.partition("deadline_secs=")[0]
    assert "s3cret" not in process.output
