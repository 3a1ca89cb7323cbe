"""Who reads a prompt where, what is kept of it, and what the router is told of it."""
