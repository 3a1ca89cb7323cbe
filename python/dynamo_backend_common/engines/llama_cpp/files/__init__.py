"""The GGUF file, what it says of itself, and the folder that a model deployment card needs."""
