"""A real engine: GGUF models on llama.cpp, on the CPU or on what llama.cpp was built for.

From a request to its output:

- `engine`: `LlamaCpp`, the engine that a worker serves.
- `request`: a request, checked.
- `grammar`: what its output is held to, in llama.cpp's notation.
- `steps`: the thread, and its steps.
- `cache`: who reads a prompt where, what is kept of it, and what the router is told of it.
- `binding`: the only caller of llama.cpp.

From the model's file to the folder that a model deployment card needs:

- `files`: the file, what it says of itself, and the folder.
- `tokenizer`: the folder's tokenizer, from the file's vocabulary.

`options` has what can be configured, and the command line. Needs the extra ``llama-cpp``.
"""

from .engine import LlamaCpp
from .options import Options

__all__ = ["LlamaCpp", "Options"]
