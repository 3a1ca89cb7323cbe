"""What is compared: servers of one GGUF file, with the same libraries of llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT = 512
"""Tokens of prompt and output of one request together."""

SLOTS = 16
"""Requests that run at once."""


@dataclass(frozen=True)
class Arm:
    """A server.

    Attributes:
        name: What tables call it.
        key: Short, for the command line and file names.
        options: Ours: of the engine; None: llama.cpp's own server.
        theirs: Of llama.cpp's own server.
    """

    name: str
    key: str
    options: tuple[str, ...] | None = None
    theirs: tuple[str, ...] = ()

    def command(self, programs: dict[str, str], port: int, threads: int) -> list[str]:
        """Starts it on ``port`` with ``threads`` threads of llama.cpp."""
        if self.options is None:
            return [
                *(programs["server"], "--model", programs["model"], "--alias", "model"),
                *("--host", "127.0.0.1", "--port", str(port), "--no-webui"),
                *("--threads", str(threads), "--parallel", str(SLOTS)),
                *("--ctx-size", str(CONTEXT * SLOTS), *self.theirs),
            ]
        total = ()
        if "--kv-unified" in self.options:
            total = ("--kv-cache-tokens", str(CONTEXT * SLOTS))
        return [
            *(programs["python"], "-P", "-m", "dynamo_backend_common", "serve", "llama-cpp"),
            *("--http-port", str(port), "--served-model-name", "model"),
            *("--", "--model-path", programs["model"], "--threads", str(threads)),
            *("--max-num-seqs", str(SLOTS), "--context-length", str(CONTEXT)),
            *(*self.options, *total),
        ]


REFERENCE = Arm("llama-server", "server", theirs=("--no-kv-unified",))
OURS = Arm("ours", "ours", ())
ARMS = (
    REFERENCE,
    Arm("llama-server, --kv-unified", "server-unified", theirs=("--kv-unified",)),
    OURS,
    Arm("ours, --kv-unified", "ours-unified", ("--kv-unified",)),
)
