"""GGUF models on llama.cpp, on the CPU or on what llama.cpp was built for.

From a request to its output:

- `engine`: `LlamaCpp`, the engine that a worker serves.
- `request`: a request, checked.
- `grammar`: what its output is held to, in llama.cpp's notation.
- `steps`: the thread, and its steps.
- `cache`: who reads a prompt where, what is kept of it, and what the router is told of it.
- `adapters`: LoRA adapters, and what loads them while it serves.
- `binding`: the only caller of llama.cpp.

Vectors and scores instead of tokens are `pooling`'s, which has an engine of its own. `lifecycle` is
what both engines do alike, from start to end, and `loop` the thread in which each serves.
What operators do and see: `controls`, to sleep and to wake up, and `metrics`.

From the model's file to the folder that a model deployment card needs:

- `files`: the file, of this machine or from a hub, what it says of itself, and the folder.
- `tokenizer`: the folder's tokenizer, from the file's vocabulary.

`options` has what can be configured, and the command line. Needs the extra ``llama-cpp``.
"""

from .engine import LlamaCpp
from .options import Options
from .pooling.engine import LlamaCppPooling

__all__ = ["LlamaCpp", "LlamaCppPooling", "Options"]
