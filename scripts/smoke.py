"""Tries a wheel as a user would: installs it, serves an engine, asks it something, and ends it.

python3.14 scripts/smoke.py dist/NAME.whl

The environment that it makes for that is one of the Python that runs this, and is removed again.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener
from zipfile import ZipFile

_START_SECONDS = 60
_END_SECONDS = 60
_TEXT = "alpha beta gamma"


def main() -> None:
    """Tries the wheel that the argument names."""
    wheel = Path(sys.argv[1]).resolve()
    _check_papers(wheel)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = _install(wheel, folder / "venv")
        _write_model(folder / "model")
        _serve(program, folder / "model")
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
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel]
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


def _serve(program: Path, model: Path) -> None:
    port = _free_port()
    command = [program, "serve", "echo", "--model-name", model, "--http-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            body = {"model": "echo", "messages": [{"role": "user", "content": _TEXT}]}
            answer = _ask(server, f"http://127.0.0.1:{port}/v1/chat/completions", body)
            text = answer["choices"][0]["message"]["content"]
            assert text.split() == _TEXT.split(), answer
            server.send_signal(signal.SIGTERM)
            assert server.wait(_END_SECONDS) == 0, f"exit status {server.returncode}"
        finally:
            server.kill()


def _ask(server: subprocess.Popen[str], url: str, body: dict[str, Any]) -> Any:
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
