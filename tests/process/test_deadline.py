"""A shutdown that does not end is ended: with code 911, which a parent sees as 143."""

import re
import shutil
import signal
import subprocess
from collections.abc import Mapping

import pytest

from support.full_pipe import UnreadPipe
from support.launcher import COMMAND, NOTHING, Launcher
from support.processes import Process
from support.servers import Etcd

TIMEOUT = {"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "1"}
GIL = "stuck:CleanupHoldsTheGil"
SIGNALS = pytest.mark.parametrize(
    "which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name
)


def serve(
    launcher: Launcher,
    model_folder: str,
    engine: str,
    env: Mapping[str, str] = NOTHING,
    **streams: int,
) -> Process:
    """A worker of which a shutdown must end within a second."""
    return launcher.command(
        "serve",
        engine,
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        env=TIMEOUT | dict(env),
        **streams,  # type: ignore[arg-type]
    )


def serving(process: Process) -> Process:
    process.wait_for_line("^Serving on")
    return process


def ends_by_the_deadline(launcher: Launcher, process: Process) -> None:
    """Cleanup was called; the status and the last words are the deadline's."""
    is_ended_by_the_deadline(process)
    assert launcher.latches.is_reached("cleanup")


def is_ended_by_the_deadline(process: Process) -> None:
    """The status, and the last words: deadline, variable and both codes, in one line."""
    assert process.wait() == 143
    [words] = [line for line in process.stderr.splitlines() if "code 911" in line]
    for part in ("1.0 s", "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT", "143"):
        assert part in words
    assert re.match(r"\W*ERROR\b", words)


@pytest.mark.parametrize(
    "engine",
    [
        "CleanupHangs",
        "CleanupBlocksTheLoop",
        "CleanupHoldsTheGil",
        "CleanupIgnoresCancellation",
        "ExitHookHangs",
        "ThreadStays",
        "ExecutorStays",
    ],
)
def test_section_12_3_the_deadline_holds_whatever_is_stuck(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    process = serving(serve(launcher, model_folder, f"stuck:{engine}"))
    process.send(signal.SIGTERM)
    ends_by_the_deadline(launcher, process)


def test_section_12_3_the_deadline_of_ctrl_c(launcher: Launcher, model_folder: str) -> None:
    process = serving(serve(launcher, model_folder, GIL))
    process.send(signal.SIGINT)
    ends_by_the_deadline(launcher, process)


def test_section_12_3_the_deadline_of_a_shutdown_that_the_program_asked_for(
    launcher: Launcher, model_folder: str
) -> None:
    port = str(launcher.ports.reserve())
    program = launcher.script("shut_down", "serving", port, model_folder, GIL, env=TIMEOUT)
    ends_by_the_deadline(launcher, program)


def test_section_12_3_the_deadline_of_a_worker_that_lost_discovery(
    launcher: Launcher, model_folder: str
) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    env = {"ETCD_ENDPOINTS": etcd.url, "ETCD_LEASE_TTL": "2"}
    process = launcher.command(
        "serve",
        GIL,
        "--discovery-backend",
        "etcd",
        "--model-name",
        model_folder,
        env=TIMEOUT | env,
    )
    serving(process)
    [lease] = etcd.leases()
    etcd.revoke(lease)
    ends_by_the_deadline(launcher, process)


@SIGNALS
def test_section_4_5_a_load_that_outlasts_the_deadline_is_ended_by_it(
    launcher: Launcher, model_folder: str, which: signal.Signals
) -> None:
    process = serve(launcher, model_folder, "stuck:StartHoldsTheGil")
    launcher.latches.reached("starting")
    process.send(which)
    assert process.wait() == 143
    assert "code 911" in process.stderr
    assert not launcher.latches.is_reached("cleanup")


def test_section_12_3_the_deadline_holds_with_nobody_reading_standard_error(
    launcher: Launcher, model_folder: str
) -> None:
    with UnreadPipe() as unread:
        process = serving(serve(launcher, model_folder, GIL, stderr=unread.write))
        unread.fill()
        process.send(signal.SIGTERM)
        assert process.wait() == 143


def test_section_12_3_the_deadline_holds_with_nobody_reading_standard_output(
    launcher: Launcher, model_folder: str
) -> None:
    with UnreadPipe() as unread:
        process = serve(launcher, model_folder, "stuck:CleanupPrintsALot", stdout=unread.write)
        process.wait_for_line("Serving plain on")
        unread.fill()
        process.send(signal.SIGTERM)
        # Whether it is cleanup that cannot print, or the command that it serves.
        is_ended_by_the_deadline(process)


IN_A_DEV_OF_ITS_OWN = """
mkdir "$1/dev"
mount -t tmpfs tmpfs "$1/dev"
for device in null zero random urandom; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
touch "$1/message" "$1/dev/termination-log"
mount --bind "$1/message" "$1/dev/termination-log"
mount --rbind "$1/dev" /dev
shift
exec "$@"
"""


def may_mount() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.call([unshare, "--mount", "true"])


@pytest.mark.skipif(not may_mount(), reason="only who may mount can have a /dev of its own")
def test_section_12_3_the_last_words_are_kubernetes_termination_message(
    launcher: Launcher, model_folder: str
) -> None:
    process = launcher.start(
        *["unshare", "--mount", "sh", "-ec", IN_A_DEV_OF_ITS_OWN, "sh", str(launcher.folder)],
        *[*COMMAND, "serve", GIL, "--discovery-backend", "file", "--model-name", model_folder],
        env=TIMEOUT,
    )
    serving(process).send(signal.SIGTERM)
    ends_by_the_deadline(launcher, process)
    message = (launcher.folder / "message").read_text()
    assert "code 911" in message
    assert message.strip() in process.stderr


def test_section_12_11_a_run_that_cannot_begin_leaves_no_deadline(launcher: Launcher) -> None:
    program = launcher.script("no_descriptors")
    assert program.wait() == 0
    assert program.wait_for_line("^raised (.*)").group(1).startswith("signals: ")
    assert "alive" in program.stdout
