"""The temporary folder of the previews; those that killed reviews left are removed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tempocli.errors import OutputError
from tempocli.system.locks import open_locked

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "tempo-review-"
_LOCK = "lock"


@contextmanager
def preview_folder() -> Iterator[str]:
    """Make a folder for this user only, and remove it at the end."""
    _remove_leftovers(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        # The system unlocks it when the process ends, however it ends.
        lock = open_locked(os.path.join(folder, _LOCK))
        try:
            yield folder
        finally:
            if lock is not None:
                lock.close()


def _remove_leftovers(parent: str) -> None:
    with suppress(OSError), os.scandir(parent) as listing:
        for path in [entry.path for entry in listing if entry.name.startswith(_PREFIX)]:
            with suppress(OSError, OutputError):
                _remove_if_left(path)


def _remove_if_left(path: str) -> None:
    status = os.lstat(path)
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    # One without a lock may be just being made.
    if not stat.S_ISDIR(status.st_mode) or not is_ours or not os.path.exists(os.path.join(path, _LOCK)):
        return
    lock = open_locked(os.path.join(path, _LOCK))
    if lock is not None:
        with lock:
            shutil.rmtree(path)
