"""The thread of the engine, and its steps."""
