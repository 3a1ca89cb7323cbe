"""An engine whose module installs handlers as it is imported, and then takes its time."""

import signal
import time
from pathlib import Path

from latches import reach
from plain import Plain


def heeds_nothing(*_):
    pass


def ignored():
    """Whether SIGTERM is ignored, as the kernel knows it."""
    [mask] = [
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("SigIgn")
    ]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


signal.signal(signal.SIGINT, heeds_nothing)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while ignored():
    time.sleep(0.01)
reach("robbed")
time.sleep(600)


class Thief(Plain):
    pass
