"""The hosts that an operator names: addresses, interfaces and names, or an error about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.system import becomes_ready, instances, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

HOSTS = ("DYN_TCP_RPC_HOST", "DYN_TCP_RESPONSE_STREAM_HOST", "DYN_EVENT_PLANE_HOST")


@pytest.mark.parametrize("host", ["localhost", "lo", "127.0.0.1"])
def test_a_host_is_a_name_an_interface_or_an_address(launcher: Launcher, host: str) -> None:
    env = dict.fromkeys((*HOSTS, "DYN_SYSTEM_HOST"), host)
    process, system = serve(launcher, "loaded:Loaded", env=env)
    becomes_ready(system)
    [instance] = instances(launcher)
    assert json.loads(instance.read_text())["transport"]["tcp"].startswith("127.0.0.1:")
    assert process.terminate() == 0


@pytest.mark.parametrize(
    ("variable", "host", "why"),
    [
        *[(variable, "no-such-host.invalid", "no name") for variable in HOSTS],
        *[(variable, "192.0.2.1", "cannot be listened on") for variable in HOSTS[:2]],
        *[(variable, "fe80::1", "no address of one machine") for variable in HOSTS],
        ("DYN_EVENT_PLANE_HOST", "0.0.0.0", "others"),
    ],
)
def test_a_host_that_cannot_be_had_is_refused_before_anything_starts(
    launcher: Launcher, variable: str, host: str, why: str
) -> None:
    process = launcher.command(
        "serve", "lifecycles:Recorded", "--discovery-backend", "mem", env={variable: host}
    )
    assert process.wait() == 1
    [error] = [line for line in process.stderr.splitlines() if "error: " in line]
    assert f"{variable} is '{host}'" in error
    assert why in error
    assert "Traceback" not in process.output
    assert not launcher.latches.is_reached("start")


def test_a_port_of_the_request_plane_that_is_in_use_is_refused_too(launcher: Launcher) -> None:
    port = launcher.ports.occupy()
    process = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--discovery-backend",
        "mem",
        env={"DYN_TCP_RPC_PORT": str(port)},
    )
    assert process.wait() == 1
    assert f"DYN_TCP_RPC_PORT {port}" in process.stderr
    assert not launcher.latches.is_reached("start")
