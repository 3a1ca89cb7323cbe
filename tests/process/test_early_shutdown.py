"""A signal before the worker serves: no phase is deaf to it, and nothing is waited for in vain."""

import signal

import pytest

from support.launcher import Launcher

SIGNALS = pytest.mark.parametrize(
    "which", [signal.SIGTERM, signal.SIGINT], ids=lambda which: which.name
)


@SIGNALS
def test_section_12_14_a_signal_ends_the_fetch_of_a_hub_that_does_not_answer(
    launcher: Launcher, model_folder: str, which: signal.Signals
) -> None:
    # Somebody listens there, and accepts no connection.
    silent = f"http://127.0.0.1:{launcher.ports.occupy()}"
    program = launcher.script(
        "worker",
        "lifecycles:Recorded",
        str(launcher.ports.reserve()),
        "nobody-has/this-model",
        env={"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": silent, "MODEL_EXPRESS_URL": silent},
    )
    program.wait_for_line("state Registering")
    program.send(which)
    assert program.wait() == 0
    assert "raised" not in program.stdout
    assert '"reason": "signal"' in program.stdout
    for hook in ("drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook


@SIGNALS
def test_section_12_14_a_worker_that_never_registered_waits_no_grace(
    launcher: Launcher, model_folder: str, which: signal.Signals
) -> None:
    process = launcher.command(
        "serve",
        "lifecycles:StartWaits",
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        # A day, for which no test has the patience.
        env={"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "86400"},
    )
    launcher.latches.reached("start")
    process.send(which)
    process.wait_for_line("Shutdown begins")
    launcher.latches.release("go")
    assert process.wait() == 0
    assert "Serving" not in process.output
    for hook in ("start-ends", "drain", "cleanup"):
        assert launcher.latches.is_reached(hook), hook
