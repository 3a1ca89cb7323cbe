"""``python -m dynamo_backend_common``: the same as the command ``dynamo-backend``."""

import sys

from .cli import main

sys.exit(main())
