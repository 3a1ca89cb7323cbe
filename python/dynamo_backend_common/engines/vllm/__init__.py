"""vLLM, behind the worker."""
