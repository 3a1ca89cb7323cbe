"""A folder whose place is told before there is what it is made from."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from ....exceptions import InvalidArgument


class PromisedFolder:
    """The place of a model folder, for a model that is not on this machine yet.

    It is a link of this process, which goes with it.

    Attributes:
        path: Where the folder will be.
    """

    def __init__(self, name: str) -> None:
        """Makes the place.

        Raises:
            InvalidArgument: There is nowhere to have it.
        """
        try:
            root = Path(tempfile.mkdtemp(prefix="dynamo-backend-common-"))
        except OSError as error:
            raise InvalidArgument(
                f"there is no folder for temporary files: {error}; set TMPDIR to one"
            ) from error
        atexit.register(_remove, root, os.getpid())
        self.path = root / name

    def keep(self, folder: Path) -> None:
        """From now on ``folder`` is there."""
        if not self.path.is_symlink():
            self.path.symlink_to(folder, target_is_directory=True)


def _remove(root: Path, owner: int) -> None:
    # The hooks run at the end of a forked child too.
    if os.getpid() == owner:
        shutil.rmtree(root, ignore_errors=True)
