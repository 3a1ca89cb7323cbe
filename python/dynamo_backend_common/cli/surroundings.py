"""What a worker finds on its machine, for `doctor`: folders, the pod, the GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .finding import Finding, in_effect

if TYPE_CHECKING:
    from collections.abc import Iterator

_POD = Path("/etc/podinfo")


def home() -> Finding:
    """Whether Dynamo can keep its files in the home folder."""
    folder = _expanded(os.environ.get("HOME") or "~")
    if _takes_files(folder):
        return Finding("ok", "home", f"{folder} can be written to")
    words = f"{folder} cannot be written to; a folder of temporary files takes its place"
    return Finding("note", "home", words)


def temporary() -> Finding:
    """Whether there is a folder for temporary files."""
    folder = Path(in_effect("TMPDIR"))
    if _takes_files(folder):
        return Finding("ok", "temporary files", f"{folder} can be written to")
    words = f"'{folder}' cannot be written to; TMPDIR chooses another folder"
    return Finding("wrong", "temporary files", words)


def file_discovery() -> Finding:
    """Whether the folder of `file` discovery can be written to."""
    chosen = os.environ.get("DYN_FILE_KV")
    folder = Path(chosen) if chosen else Path(in_effect("TMPDIR")) / "dynamo_store_kv"
    there = next(filter(_exists, (folder, *folder.absolute().parents)), folder)
    if _takes_files(there):
        return Finding("ok", "file discovery", f"{folder} can be written to")
    words = f"'{folder}' cannot be written to; DYN_FILE_KV chooses another folder"
    return Finding("wrong", "file discovery", words)


def pod() -> Iterator[Finding]:
    """Whether a pod knows itself, as discovery `kubernetes` needs it."""
    names = ["POD_NAME", "POD_UID", "POD_NAMESPACE"]
    if in_effect("DYN_KUBE_DISCOVERY_MODE") == "container":
        names.append("CONTAINER_NAME")
    missing = [name for name in names if not (os.environ.get(name) or _pod_file(name))]
    if missing:
        words = f"unset: {', '.join(missing)}; set them from the downward API (docs/operations.md)"
        yield Finding("wrong", "pod", words)
    else:
        yield Finding("ok", "pod", f"{os.environ.get('POD_NAME') or _pod_file('POD_NAME')}")
    server = os.environ.get("KUBERNETES_SERVICE_HOST")
    account = _expanded(os.environ.get("KUBECONFIG") or "~/.kube/config")
    if server or _exists(account):
        yield Finding("ok", "Kubernetes", f"the API server is known from {server or account}")
    else:
        words = f"no KUBERNETES_SERVICE_HOST, and no file {account}: this is no pod"
        yield Finding("wrong", "Kubernetes", words)


def gpus() -> Iterator[Finding]:
    """The GPUs that nvidia-smi shows."""
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Finding("note", "GPU", "there is no nvidia-smi here")
        return
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        shown = subprocess.run(
            query, capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("note", "GPU", f"nvidia-smi fails: {error}")
        return
    lines = (shown.stdout if shown.returncode == 0 else "").splitlines()
    for line in lines:
        yield Finding("ok", "GPU", line)
    if not lines:
        words = f"nvidia-smi shows none: {(shown.stderr or shown.stdout).strip()}"
        yield Finding("note", "GPU", words)


def _pod_file(name: str) -> str:
    try:
        return (_POD / name.lower()).read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # the account has no home
        return Path(path)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _takes_files(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
