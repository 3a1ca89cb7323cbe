"""The command line: ``dynamo-backend``, or ``python -m dynamo_backend_common``.

- `command`: the parser and the exit statuses
- `options`: the table of fields as options, and the configuration from them; `values` reads a
  value, `config_file` the file of ``--config``
- `resolve`: an engine from its name
- `serve`: the subcommand ``serve``; `log` and `explain` are its log and its ``--check``
- `check`: the subcommand ``check``
- `engines`: the subcommand ``engines``
- `doctor`: the subcommand ``doctor``; `reach` and `surroundings` look, a `finding` is a line
- `completion`: the subcommand ``completion``
- `versions`: what ``--version`` says
- `progress`, `announce`: what a person sees while the engine starts, and then
- `failure`: how it ends when it cannot go on
"""

from .command import main

__all__ = ["main"]
