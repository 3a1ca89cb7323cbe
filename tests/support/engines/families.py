"""Engines that leave processes behind: children, theirs, and those that left their parent."""

import subprocess
from multiprocessing.shared_memory import SharedMemory

from latches import reach
from stuck import CleanupHoldsTheGil

FAMILY = "sleep 600 >&- 2>&- & echo $!; wait"
ORPHAN = "sleep 600 >&- 2>&- & echo $!"


class Family(CleanupHoldsTheGil):
    """The latch ``family`` has the process ids of all, ``shared`` the name of shared memory."""

    async def start(self, worker_id):
        config = await super().start(worker_id)
        self.shared = SharedMemory(create=True, size=4096)
        reach("shared", self.shared.name)
        pids = []
        for command, apart in [(FAMILY, False), (FAMILY, True), (ORPHAN, True)]:
            child = subprocess.Popen(  # noqa: ASYNC220 (for the child's sake)
                ["sh", "-c", command],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=apart,
            )
            pids += [child.pid, int(child.stdout.readline())]
        child.wait()
        reach("family", " ".join(map(str, pids)))
        return config
