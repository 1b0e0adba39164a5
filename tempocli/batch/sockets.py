"""Create and remove the folder of the socket by which multiprocessing starts workers.

A folder created by multiprocessing would remain after a killed run. Its path would also be too long for a
socket if the temporary folder of the system has a long path.
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
    """Remove the folders of killed runs, even if no worker is started."""
    for parent in _parents():
        temporary.remove_leftovers(parent)


def prepare_folder() -> None:
    """Set a folder for multiprocessing that later runs remove if this process is killed.

    Raises
    ------
    TempoError
        If no folder with a path short enough for a socket can be created.
    """
    global _made
    with _lock:
        # multiprocessing uses this folder if it is set.
        config = getattr(current_process(), "_config", None)
        if config is None or config.get("tempdir") is not None:
            return
        for parent in _parents():
            with suppress(OSError):
                _made = temporary.make_folder(parent)
                config["tempdir"] = _made[0]
                util.Finalize(None, remove_folder, exitpriority=-100)  # as late as multiprocessing's own
                return
    raise TempoError(
        f"{tempfile.gettempdir()}: worker processes need a folder for temporary files to write to, "
        "with a short path: set TMPDIR to one"
    )


def remove_folder() -> None:
    """Remove the folder, if there is one; no process can be started afterwards."""
    global _made
    with _lock:
        if _made is not None:
            shutil.rmtree(_made[0], ignore_errors=True)
            os.close(_made[1])
            current_process()._config["tempdir"] = None  # type: ignore[attr-defined]  # not typed
            _made = None


def _parents() -> Iterator[str]:
    """Yield possible parent folders, the preferred one first."""
    for parent in (tempfile.gettempdir(), *_PARENTS):
        if len(os.fsencode(parent)) <= _LONGEST_PARENT:
            yield parent
