"""What the command writes to standard output."""

from __future__ import annotations

import sys


def write(text: str) -> None:
    """Writes lines. What the stream's encoding does not have, in a name, is shown with escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
