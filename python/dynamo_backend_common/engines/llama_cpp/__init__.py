"""A real engine: GGUF models on llama.cpp, on the CPU or on what llama.cpp was built for.

From a request to its output:

- `engine`: `LlamaCpp`, the engine that a worker serves.
- `generation`: a request, checked.
- `step_loop`, `scheduler`: the thread, and its steps; `sequence`, `prefill`, `sampling` and
  `logprobs` are their parts.
- `prefix_cache`, `kv_blocks`: who reads a prompt where, and what is kept of it; `kv_reports` tells
  the router.
- `binding`: the only caller of llama.cpp; `llama_log` receives its log lines.

From the model's file to the folder that a model deployment card needs:

- `model_file`, `gguf_metadata`: the file and what it says of itself.
- `model_folder`: the folder; `tokenizer_files`, `pretokenizers` and `model_config` are its content.

`options` has what can be configured, and the command line. Needs the extra ``llama-cpp``.
"""

from .engine import LlamaCpp
from .options import Options

__all__ = ["LlamaCpp", "Options"]
