"""The set-up scripts, called as ``make`` calls them, with a cache folder of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Shell:
    """Calls scripts in an environment that a test can spoil."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environment = os.environ | {
            "XDG_CACHE_HOME": str(self.cache),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
        }
        # Where the tests were called by make, they have its lock.
        for inherited in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ALONE", "PYTHON", "FRONTEND"):
            self.environment.pop(inherited, None)

    def pretend(self, program: str, script: str) -> None:
        """Puts a program of this name first on the path."""
        if program != "cargo" and not (self.bin / "cargo").exists():
            # Of the path that a user has, the scripts keep the folder of cargo in front.
            self.pretend("cargo", "exit 0")
        path = self.bin / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command) as process:
            out, err = process.communicate(timeout=110)
        return subprocess.CompletedProcess(command, process.returncode, out, err)
