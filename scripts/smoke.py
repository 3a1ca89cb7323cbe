"""Tries a wheel as a user would: installs it, serves engines, asks them something, and ends them.

python3.14 scripts/smoke.py dist/NAME.whl (or make smoke WHEEL=dist/NAME.whl PYTHON=python3.14)

The environment that it makes for that is one of the Python that runs this, and is removed again.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener
from zipfile import ZipFile

_START_SECONDS = 60
_END_SECONDS = 60
_DEADLINE_STATUS = 143
_TEXT = "alpha beta gamma"
# Waits longer than the timeout of a build that is not optimised; and one that never lets go.
_ENGINES = """
import asyncio
import time
from pathlib import Path

from dynamo_backend_common import EngineConfig


class Slow:
    async def start(self, worker_id):
        return EngineConfig(model="smoke", context_length=64)

    async def generate(self, request, context):
        first, *rest = request["token_ids"]
        yield {"token_ids": [first]}
        if request["stop_conditions"]["max_tokens"] > 1:
            Path("slow").touch()
            await asyncio.sleep(7)
        yield {"token_ids": rest, "finish_reason": "stop"}

    async def cleanup(self):
        pass


class Stuck(Slow):
    async def generate(self, request, context):
        yield {"token_ids": request["token_ids"], "finish_reason": "stop"}

    async def cleanup(self):
        time.sleep(3600)
"""


def main() -> None:
    """Tries the wheel that the argument names."""
    wheel = Path(sys.argv[1]).resolve()
    _check_papers(wheel)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = _install(wheel, folder / "venv")
        _write_model(folder / "model")
        _serve(program, folder)
    print(f"{wheel.name} works in Python {sys.version.split()[0]}")


def _check_papers(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        for paper, named in (
            (r"licenses/LICENSE$", ["Apache License"]),
            # A crate, and what another brings along in C++.
            (r"THIRD-PARTY-LICENSES\.txt$", ["dynamo-runtime", "zeromq-src"]),
            (r"sboms/.*\.json$", ["CycloneDX", "dynamo-runtime"]),
        ):
            found = [file for file in names if re.search(rf"\.dist-info/.*{paper}", file)]
            assert found, f"{wheel.name} has no {paper}"
            text = archive.read(found[0]).decode()
            assert all(name in text for name in named), f"{found[0]} does not name {named}"


def _install(wheel: Path, folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(pip, check=True)
    return folder / "bin" / "dynamo-backend"


def _write_model(folder: Path) -> None:
    """A model's folder with a tokenizer of whole words."""
    folder.mkdir()
    words = ["[UNK]", "</s>", *_TEXT.split()]
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {
            "type": "WordLevel",
            "vocab": {word: number for number, word in enumerate(words)},
            "unk_token": "[UNK]",
        },
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "eos_token_id": 1,
        "max_position_embeddings": 64,
        "vocab_size": len(words),
    }
    template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer_config = {"eos_token": "</s>", "chat_template": template}
    for name, value in (
        ("tokenizer.json", tokenizer),
        ("config.json", config),
        ("tokenizer_config.json", tokenizer_config),
    ):
        (folder / name).write_text(json.dumps(value), encoding="utf-8")


def _serve(program: Path, folder: Path) -> None:
    """Differs from a build of `make build`: with nothing set, the defaults are the release's."""
    (folder / "smoke.py").write_text(_ENGINES, encoding="utf-8")
    # Half a minute passes there before it ends: the others are tried meanwhile.
    with _server(program, folder, "smoke:Stuck") as (stuck, stuck_url):
        _ask(stuck, stuck_url, {"model": "smoke", "prompt": _TEXT, "max_tokens": 8})
        stuck.send_signal(signal.SIGTERM)
        with _server(program, folder, "echo") as (server, url):
            body = {"model": "echo", "prompt": _TEXT, "max_tokens": 8}
            answer = _ask(server, url, body)
            assert answer["choices"][0]["text"].split() == _TEXT.split(), answer
            server.send_signal(signal.SIGTERM)
            assert server.wait(_END_SECONDS) == 0, f"exit status {server.returncode}"
        _finish_in_shutdown(program, folder)
        assert stuck.wait(_END_SECONDS) == _DEADLINE_STATUS, f"exit status {stuck.returncode}"
        words = (folder / "smoke:Stuck.log").read_text(encoding="utf-8").splitlines()[-1]
        assert "deadline of 30.0 s" in words, words
        assert "'cleanup'" in words, words


def _finish_in_shutdown(program: Path, folder: Path) -> None:
    """An answer that takes longer than a debug build's whole timeout is not cut."""
    with _server(program, folder, "smoke:Slow") as (server, url), ThreadPoolExecutor() as pool:
        _ask(server, url, {"model": "smoke", "prompt": _TEXT, "max_tokens": 1})
        body = {"model": "smoke", "prompt": _TEXT, "max_tokens": 8}
        answer = pool.submit(_ask, server, url, body)
        while not (folder / "slow").exists():
            time.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        text = answer.result()["choices"][0]["text"]
        assert text.split() == _TEXT.split(), text
        assert server.wait(_END_SECONDS) == 0, f"exit status {server.returncode}"
    log = (folder / "smoke:Slow.log").read_text(encoding="utf-8")
    assert re.search("drained: . requests? finished, none was cut", log), log


@contextmanager
def _server(
    program: Path, folder: Path, engine: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A worker that serves the model's folder below ``folder``; its log is beside it."""
    # Bound here without listening, it is nobody else's, and the worker can listen on it.
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    options = ["--model-name", str(folder / "model"), "--http-port", str(port)]
    command = [str(program), "serve", engine, *options]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DYN_")}
    with held, (folder / f"{engine}.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield server, f"http://127.0.0.1:{port}/v1/completions"
        except BaseException:
            print((folder / f"{engine}.log").read_text(encoding="utf-8"), file=sys.stderr)
            raise
        finally:
            server.kill()
            server.wait()


def _ask(server: subprocess.Popen[bytes], url: str, body: dict[str, Any]) -> Any:
    opener = build_opener(ProxyHandler({}))
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            return json.load(opener.open(request, timeout=_START_SECONDS))
        except URLError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
