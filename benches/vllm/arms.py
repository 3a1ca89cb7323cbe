"""What is compared: workers with the same vLLM and model, each in a namespace of its own."""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = (
    *("--enforce-eager", "--dtype", "bfloat16"),
    *("--block-size", "32", "--max-model-len", "256"),
)
_PLANES = ("--discovery-backend", "file", "--request-plane", "tcp", "--event-plane", "zmq")


@dataclass(frozen=True)
class Arm:
    """A worker.

    Attributes:
        name: What tables call it.
        model: What its model is served as; also its namespace.
        token_path: Ours; None: the reference.
    """

    name: str
    model: str
    token_path: str | None = None

    def command(self, python: str, folder: str) -> list[str]:
        """Starts it, with the model of the folder."""
        if self.token_path is None:
            return [
                *(python, "-P", "-m", "dynamo.vllm", "--model", folder),
                *("--served-model-name", self.model, "--namespace", self.model),
                *(*_PLANES, *ENGINE),
            ]
        return [
            *(python, "-P", "-m", "dynamo_backend_common", "serve", "vllm", "--loop", "uvloop"),
            *("--served-model-name", self.model, "--namespace", self.model, *_PLANES),
            *("--", "--model", folder, "--token-path", self.token_path, *ENGINE),
        ]


REFERENCE = "reference, python -m dynamo.vllm"
SOCKET, STEPS, GENERATE = (f"ours, {path}" for path in ("socket", "steps", "generate"))
ARMS = (
    Arm(REFERENCE, "reference"),
    Arm(GENERATE, "generate", "generate"),
    Arm(STEPS, "steps", "steps"),
    Arm(SOCKET, "socket", "socket"),
)
