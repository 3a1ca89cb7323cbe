"""Vectors and scores instead of tokens: embeddings, and reranking.

- `engine`: `LlamaCppPooling`, the engine that a worker serves with ``--embeddings`` or
  ``--reranking``.
- `embeddings`, `reranking`: a request of each of the two endpoints, and its answer.
- `batches`: the thread, in which the texts of all requests share batches.
"""
