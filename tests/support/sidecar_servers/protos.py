"""Message classes of a folder of ``.proto`` files, made when they are wanted."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass


class Protos:
    """The messages of one package; ``protos.GenerateRequest(...)`` makes one."""

    def __init__(self, folder: Path, package: str, *files: str) -> None:
        self._package = package
        self._pool = DescriptorPool()
        for file in _compiled(folder, files).file:
            self._pool.Add(file)

    def __getattr__(self, name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(f"{self._package}.{name}"))


def _compiled(folder: Path, files: tuple[str, ...]) -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "protos")
        command = ["protoc", "--include_imports", f"--descriptor_set_out={made}"]
        subprocess.run([*command, f"--proto_path={folder}", *files], check=True)
        return FileDescriptorSet.FromString(made.read_bytes())
