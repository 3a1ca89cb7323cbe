"""LoRA adapters: those of the command line, and what loads and unloads them while it serves."""
