"""The tokenizer of a model deployment card, made from a GGUF file's vocabulary."""
