"""A folder whose place is told before there is what it is made from."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

from ....exceptions import InvalidArgument
from .chat_template import NO_CHAT, TEMPLATE_FILE

logger = logging.getLogger(__name__)


class PromisedFolder:
    """The place of a model folder, for a model that is not on this machine yet.

    It is of this process, and goes with it.

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
        """From now on the files of ``folder`` are there.

        Whether there is a chat could not be told before: where ``folder`` has no template, there is
        one that refuses.
        """
        if (folder / TEMPLATE_FILE).is_file():
            self.path.symlink_to(folder, target_is_directory=True)
            return
        logger.warning(
            "the GGUF file has no chat template: it has completions, and every chat is refused;"
            " --custom-jinja-template gives it one"
        )
        self.path.mkdir()
        for file in folder.iterdir():
            (self.path / file.name).symlink_to(file)
        (self.path / TEMPLATE_FILE).write_text(NO_CHAT, encoding="utf-8")


def _remove(root: Path, owner: int) -> None:
    # The hooks run at the end of a forked child too.
    if os.getpid() == owner:
        shutil.rmtree(root, ignore_errors=True)
