"""The log of a process with a worker: of both sides, and of each request."""
