"""What the core calls while a worker serves: an engine's hooks, and the tasks of its requests."""
