"""The folder of the socket by which multiprocessing starts workers: made by us, so that it does not stay.

multiprocessing would make one that a killed run leaves for ever, and one whose path is too long for a socket
where the system's folder for temporary files has a long path.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import suppress
from multiprocessing import current_process, util
from typing import TYPE_CHECKING

from tempocli.errors import TempoError
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARENTS = ("/tmp", "/var/tmp")
_LONGEST_PARENT = 50  # bytes: the socket's path has 48 more, and some systems allow 103
_lock = threading.Lock()
_made: tuple[str, int] | None = None


def remove_leftovers() -> None:
    """Remove the folders of killed runs, also when there is no worker to start."""
    for parent in _parents():
        temporary.remove_leftovers(parent)


def prepare_folder() -> None:
    """Give multiprocessing a folder that later runs remove if this process is killed.

    Raises
    ------
    TempoError
        If none can be made where the path of a socket is short enough.
    """
    global _made
    with _lock:
        # What multiprocessing itself looks for before it makes one.
        config = getattr(current_process(), "_config", None)
        if config is None or config.get("tempdir") is not None:
            return
        for parent in _parents():
            with suppress(OSError):
                _made = temporary.make_folder(parent)
                config["tempdir"] = _made[0]
                util.Finalize(None, remove_folder, exitpriority=-100)  # as late as its own
                return
    raise TempoError(
        f"{tempfile.gettempdir()}: worker processes need a folder for temporary files to write to, "
        "with a short path: set TMPDIR to one"
    )


def remove_folder() -> None:
    """Remove the folder, if there is one; no further process can be started then."""
    global _made
    with _lock:
        if _made is not None:
            shutil.rmtree(_made[0], ignore_errors=True)
            os.close(_made[1])
            current_process()._config["tempdir"] = None  # type: ignore[attr-defined]
            _made = None


def _parents() -> Iterator[str]:
    """Yield the folders in which it may be, the first choice first."""
    for parent in (tempfile.gettempdir(), *_PARENTS):
        if len(os.fsencode(parent)) <= _LONGEST_PARENT:
            yield parent
