"""The command line: ``dynamo-backend``, or ``python -m dynamo_backend_common``.

- `command`: the parser and the exit statuses
- `options`: the table of fields as options, and the configuration from them
- `resolve`: an engine from its name
- `serve`: the subcommand ``serve``
- `check`: the subcommand ``check``
- `progress`, `announce`: what a person sees while the engine starts, and then
- `failure`: how it ends when it cannot go on
"""

from .command import main

__all__ = ["main"]
