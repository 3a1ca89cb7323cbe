"""vLLM, in the worker's process; its engine core has a process of its own.

- `engine`: `Vllm`, the engine that a worker serves; `options` is its command line, `installation`
  the vLLM that is there.
- `client`: vLLM's `AsyncLLM`, from its start to its end; `configuration` is what it starts with,
  `processes` are those that it starts, which a `guard` ends with the worker.
- `paths`: how tokens come from the engine core: `by_socket`, `by_steps` or `by_generate`;
  `statistics` are vLLM's own of them. `serving` has what a vLLM that has started is served with.
- `requests` reads a request into a `call`, with `sampling`, `guided` and `transfer`, and `refusals`
  of what vLLM has not; `outputs` makes its chunks, with `logprobs`.
- `card`, `kv_events`, `snapshots` and `metrics` are what is published; `controls`, with `lora` and
  `weights`, what an operator can do.

Needs vLLM, which is the user's to install: nothing of it is imported before the engine is made.
"""

from .engine import Vllm

__all__ = ["Vllm"]

# Not an extra: which build of it fits is the hardware's to say.
REQUIRES = ("vllm",)
