"""Engines that were written for ``dynamo.common.backend``, the Python package of ai-dynamo.

They run unchanged: `wrap` makes an engine as a `Worker` wants it of one of theirs, and `run_main`
runs a program of theirs whose worker is then this one. The command line offers both, as
``dynamo-backend serve --reference``. ai-dynamo has to be installed beside this package.

- `package`: which release of it is there.
- `making`, `main`: the engine from its ``from_args``, or a program that makes its worker itself.
- `shape`: what is not theirs is refused.
- `lifecycle`, `engine`: the hooks; `context`, `spans`, `kv_sources`, `kv_publisher`, `metrics`,
  `snapshots`, `endpoint`: what they are given.
- `worker_config`, `engine_config`: what they say about themselves.
- `errors`: their exceptions, as ours.
"""
