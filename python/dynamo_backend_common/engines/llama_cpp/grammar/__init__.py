"""What an output must be, as a grammar of llama.cpp's: from JSON schemas, patterns and choices."""
