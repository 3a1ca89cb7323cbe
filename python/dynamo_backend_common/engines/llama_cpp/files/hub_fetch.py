"""Fetches a model of a hub into its cache; a program of its own, which `hub_download` runs.

It is one so that a download can be ended at any moment, whatever it is waiting for, and ends what
it was writing. What it says are lines of JSON on standard output: ``progress``, ``warning``, and
last ``path`` or ``refused`` or ``failed``.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, scan_cache_dir
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from tqdm import tqdm

from ....exceptions import InvalidArgument
from .hub_model import HubModel


class _Nowhere(StringIO):
    """Takes what is for a person's eyes."""

    def write(self, text: str) -> int:
        return len(text)


class _Bar(tqdm):  # type: ignore[misc]
    """Reports what it would show."""

    file_name = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Only the bar of the hub's own has a name.
        options.pop("name", None)
        super().__init__(*args, **options | {"file": _Nowhere(), "disable": False})

    def display(self, *_: Any, **__: Any) -> bool:
        if self.total:
            _say(progress=min(self.n / self.total, 1.0), file=self.file_name)
        return True

    def update_transfer(self, n: float) -> None:
        """Of what is transferred compressed only the result counts."""


def fetch(model: HubModel) -> Path:
    """The model's file, or its first shard, in the hub's cache; fetches what is not there.

    Raises:
        InvalidArgument: There is no such repository, or no such file in it.
        Exception: The hub cannot be reached, and the cache does not have it.
    """
    offline = constants.HF_HUB_OFFLINE
    names: list[str] = []
    if not offline:
        try:
            found = HfApi().model_info(model.repository)
            names = sorted(each.rfilename for each in found.siblings or ())
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise InvalidArgument(
                f"model '{model}': {constants.ENDPOINT} has no repository '{model.repository}' for"
                " you; check the name, and set HF_TOKEN for one that is private or gated"
            ) from error
        except Exception as error:
            offline = True
            try:
                names = _cached(model)
            except Exception:
                raise error from None
            _say(warning=f"{constants.ENDPOINT} cannot be reached, so its cache is used: {error}")
    else:
        names = _cached(model)
    files = model.choose(names)
    paths = []
    for number, name in enumerate(files, start=1):
        of = f" ({number} of {len(files)})" if len(files) > 1 else ""
        _Bar.file_name = f"{name}{of}"
        paths.append(
            hf_hub_download(model.repository, name, local_files_only=offline, tqdm_class=_Bar)
        )
    return Path(paths[0])


def _cached(model: HubModel) -> list[str]:
    """The files that the cache has of the repository, complete or not."""
    found = [
        str(file.file_path.relative_to(revision.snapshot_path))
        for repository in scan_cache_dir().repos
        if (repository.repo_type, repository.repo_id) == ("model", model.repository)
        for revision in repository.revisions
        if "main" in revision.refs
        for file in revision.files
    ]
    if not found:
        raise FileNotFoundError(f"the cache has nothing of '{model.repository}'")
    return sorted(found)


def _say(**what: Any) -> None:
    # Whole, as threads of the library speak here too.
    said_to = sys.__stdout__
    assert said_to is not None
    said_to.write(json.dumps(what) + "\n")
    said_to.flush()


def main() -> None:
    """Takes a repository, and a quantisation or file, as `HubModel` has them."""
    # As by Ctrl-C the library ends its threads, and removes what it has written of a file.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # What a library prints is no word of ours.
        with redirect_stdout(sys.stderr):
            said = {"path": str(fetch(HubModel(*sys.argv[1:])))}
    except KeyboardInterrupt:
        return
    except InvalidArgument as error:
        said = {"refused": str(error)}
    except Exception as error:
        said = {"failed": f"{constants.ENDPOINT}: {type(error).__name__}: {error}"}
    # Whoever has heard the last word need not wait for the library's own end.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _say(**said)


if __name__ == "__main__":
    main()
