"""Runs commands side by side and says how far they are, until all have ended.

python3 scripts/progress.py NAME COMMAND [ARGUMENT ...] [:: NAME COMMAND [ARGUMENT ...]] ...

What they print goes to a file each, in the folder that ``LOGS`` names. Where a command fails, the
end of it goes to standard error, and the others are ended too. How far one is, it says itself:
``[3/83]`` as ninja, ``3/870:`` as cargo. The exit status is that of the command that failed first,
or 0.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

_STEPS = re.compile(rb"\[(\d+)/(\d+)\]|\s(\d+)/(\d+)(?::|$)", re.MULTILINE)
_LOOK_SECONDS = 0.5
_LINE_SECONDS = 60  # where nobody sees a line change
_SHOWN_LINES = 40
_END_SECONDS = 10
_INTERRUPTED = 130

# Written to a file, cargo does not say how far it is unless it is told to.
_TOLD = {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "80"}


class Job:
    """A command that runs, and the file with what it prints."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name.replace(' ', '-')}.log"
        with self.log.open("wb") as log:
            # A group of its own: to end it is to end what it started, too.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | _TOLD,
                close_fds=False,  # whoever holds a lock holds it for what it starts
                process_group=0,
            )
        self._read = 0
        self._steps = ""

    def steps(self) -> str:
        """How far it is: ``crates 3 of 870 steps``, or its name alone where it has not said."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        # What was cut in the middle is read again.
        self._read += len(new) - min(len(new), 80)
        if found := _STEPS.findall(new):
            done, of = filter(None, found[-1])
            self._steps = f" {int(done)} of {int(of)} steps"
        return self.name + self._steps

    def end(self) -> None:
        """Ends it and what it started, where it still runs."""
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def show(self) -> None:
        """Writes the end of what it printed to standard error."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        # A line that was written over and over is read as it was last.
        lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.splitlines()]
        print(*[line for line in lines if line][-_SHOWN_LINES:], sep="\n", file=sys.stderr)
        print(f"(all of it: {self.log})", file=sys.stderr)


def main() -> int:
    """Runs what the command line says; returns the exit status."""
    interrupted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Raises nothing: between a command's start and its entry in `jobs` it would be forgotten.
        signal.signal(number, lambda number, _: interrupted.append(number))
    folder = Path(os.environ["LOGS"])
    folder.mkdir(parents=True, exist_ok=True)
    jobs: list[Job] = []
    try:
        for name, *command in _split(sys.argv[1:]):
            jobs.append(Job(name, command, folder))
        failed = _wait(jobs, interrupted)
    finally:
        for job in jobs:
            job.end()
    if interrupted:
        return _INTERRUPTED
    if failed is None:
        return 0
    failed.show()
    return failed.process.returncode if failed.process.returncode > 0 else 1


def _split(arguments: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "::":
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts


def _wait(jobs: list[Job], interrupted: list[int]) -> Job | None:
    """Waits until all have ended well, one has failed, which is returned, or a signal came."""
    begun = time.monotonic()
    seen = sys.stdout.isatty()
    said = begun
    while True:
        running = [job for job in jobs if job.process.poll() is None]
        failed = next((job for job in jobs if job.process.returncode), None)
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        line = f"    {', '.join(job.steps() for job in jobs)}; {minutes} min {seconds:02} s"
        if seen:
            print(f"\r{line}\x1b[K", end="", flush=True)
        elif time.monotonic() - said >= _LINE_SECONDS:
            said = time.monotonic()
            print(line, flush=True)
        if failed is not None or not running or interrupted:
            print("" if seen else line, flush=True)
            return failed
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
