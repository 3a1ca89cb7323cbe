"""An engine that waits before there is a run, in what the variable ``WAITS_IN`` names.

It waits in C, with the GIL: nothing of Python's can interrupt it. The latch ``waits`` has the
process id of a child that it has started by then.
"""

import os
import subprocess

from latches import reach
from plain import Plain
from stuck import hold_the_gil


def waits_in(place):
    if os.environ["WAITS_IN"] == place:
        child = subprocess.Popen(
            ["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        reach("waits", str(child.pid))
        hold_the_gil()


class Early(Plain):
    def __init__(self):
        waits_in("the constructor")

    @classmethod
    def from_args(cls, argv):
        waits_in("from_args")
        return cls()

    def configure(self, config):
        waits_in("configure")
        return config


def factory():
    waits_in("a factory")
    return Early()


waits_in("the import")
