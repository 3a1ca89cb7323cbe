"""The only caller of llama.cpp: its library, a model with its context, samplers, log lines."""
